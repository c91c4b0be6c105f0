"""What an attack must leave as it was: the front's log without keys and tracebacks, and its memory."""

import psutil

from tests.support.stack import Stack

MOST_GROWTH = 150_000_000
"""Bytes by which a front may grow under any number of bad requests."""


class Watch:
    """Watches the front of a stack from now on."""

    def __init__(self, stack: Stack, agent: str) -> None:
        self._front = stack.shared["front"]
        self._keys = stack.keys[agent]
        self._lines = len(self._front.lines)
        self._before = memory(self._front.pid)
        self.growth = 0

    def complaints(self) -> list[str]:
        """What is not as it must be."""
        self.growth = memory(self._front.pid) - self._before
        output = "".join(self._front.lines[self._lines :])
        found = [f"the log holds {what}" for what in ("Traceback", *self._keys) if what in output]
        if found:
            found.append(output[:3000])
        if self.growth > MOST_GROWTH:
            found.append(f"the front grew by {self.growth} bytes")
        return found


def memory(pid: int) -> int:
    """The memory of a process and its children, in bytes."""
    process = psutil.Process(pid)
    return int(sum(one.memory_info().rss for one in [process, *process.children(recursive=True)]))
