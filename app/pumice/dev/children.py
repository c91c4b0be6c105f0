"""Processes that are kept running, and stopped with their parent whatever happens to it."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from pumice.dev.launch import Launch

LAST_WORDS = 1.0
"""Seconds for which what an ended process has written is awaited, so that it stands before what is said of its end."""
Relay = Callable[[str, IO[bytes]], None]
"""Takes a process's name and its output, and reads it to the end."""


class Guard:
    """The parent's side of `pumice.dev.guard`."""

    def __init__(self, *, lock: int | None = None, retract: tuple[Path, ...] = ()) -> None:
        """Start it; it holds the descriptor `lock` to its end and removes the files `retract` if it steps in."""
        script = Path(__file__).with_name("guard.py")
        self._process = subprocess.Popen(  # noqa: S603 (our own file)
            [sys.executable, "-I", "-S", str(script), *map(str, retract)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            pass_fds=() if lock is None else (lock,),
            cwd="/",
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._pipe.close()
        self._process.wait()

    def add(self, process: subprocess.Popen[bytes], launch: Launch) -> None:
        """Stop this process, should the parent be killed."""
        self._say(f"+ {launch.level} {process.pid} {int(launch.stop)}")

    def forget(self, process: subprocess.Popen[bytes]) -> None:
        """This process has ended."""
        self._say(f"- {process.pid}")

    @property
    def _pipe(self) -> IO[str]:
        assert self._process.stdin  # noqa: S101 (for the type: it is a pipe)
        return self._process.stdin

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError):
            self._pipe.write(line + "\n")
            self._pipe.flush()


class Child:
    """One process at a time of the command that `launch` gives anew for each start."""

    def __init__(self, name: str, launch: Callable[[], Launch], guard: Guard, relay: Relay) -> None:
        self.name = name
        self.deaths = 0
        self._make, self._guard, self._relay = launch, guard, relay
        self._launch: Launch | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._kill_at: float | None = None

    @property
    def pid(self) -> int | None:
        """The running process's id."""
        return self._process.pid if self._process else None

    @property
    def level(self) -> int:
        """The level of what was started last; see `Launch`."""
        return self._launch.level if self._launch else 0

    @property
    def stopping(self) -> bool:
        """Was it asked to end?"""
        return self._kill_at is not None

    def start(self) -> None:
        """Start it. Its output is relayed from a thread until it closes."""
        self._launch = self._make()
        self._kill_at = None
        process = self._process = self._launch.start()
        self._guard.add(process, self._launch)
        assert process.stdout  # noqa: S101 (for the type: it is a pipe)
        self._reader = threading.Thread(target=self._relay, args=(self.name, process.stdout), daemon=True)
        self._reader.start()

    def ask_to_stop(self) -> None:
        """Send its stop signal; it is killed when its grace is over and `ended` is called."""
        if self._process and self._launch and not self.stopping:
            self._kill_at = time.monotonic() + self._launch.grace
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, self._launch.stop)

    def kill(self) -> None:
        """End it and its group now."""
        if self._process:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def ended(self) -> int | None:
        """Its exit code, once, when it has ended since `start`; None while it runs and when it doesn't."""
        if not self._process:
            return None
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            self.kill()
        code = self._process.poll()
        if code is None:
            return None
        self.kill()  # What it left of its group would hold its ports.
        if self._reader is not None:
            self._reader.join(LAST_WORDS)
        self._guard.forget(self._process)
        self._process = None
        self.deaths += 1
        return code


def stop_all(children: list[Child], interval: float = 0.02) -> None:
    """Ask `children` to stop, all at once, and return when the last has ended; `interval` is in seconds."""
    for child in children:
        child.ask_to_stop()
    while any(child.pid for child in children):
        for child in children:
            child.ended()
        time.sleep(interval)
