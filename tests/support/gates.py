"""Gates: a handler in a worker process stops at one until the test opens it. A named pipe, so that nobody polls.

The handler calls `pass_gate(path)`; the test `gate.reached()`, then `gate.open()`.
"""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

from tests.support.waiting import wait_until


def pass_gate(path: str) -> None:
    """Wait at the gate (the handler's side), unless it was opened before."""
    with suppress(FileNotFoundError):
        Path(path).read_bytes()


async def pass_gate_async(path: str) -> None:
    """Wait at the gate without holding the event loop."""
    await asyncio.to_thread(pass_gate, path)


class Gate:
    """A gate in `folder` (the test's side)."""

    def __init__(self, folder: Path, name: str = "gate") -> None:
        self.path = folder / name
        self._writer: int | None = None
        os.mkfifo(self.path)

    def __str__(self) -> str:
        return str(self.path)

    def reached(self) -> None:
        """Return when a handler stands at the gate."""
        wait_until(self._try, 20, f"a handler at {self.path}")

    def open(self) -> None:
        """Let the handler that stands at the gate pass, and all that come later."""
        self.reached()
        self.path.unlink()
        if self._writer is not None:
            os.close(self._writer)

    def _try(self) -> bool:
        if self._writer is None:
            try:
                self._writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # nobody reads yet
                return False
        return True
