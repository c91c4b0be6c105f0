"""Stops the processes of a parent that was killed before it could.

Runs as a process of its own (by path, on the standard library alone, so that it starts at once) and reads lines from
the parent: `+ LEVEL PID SIGNAL` when a process group was started, `- PID` when it ended. When the pipe closes with
processes still listed, the parent is gone: they are stopped level by level, highest first. It inherits the data
directory's lock, so that a new start waits until this has finished. Its arguments are files to remove then.
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

GRACE = 4.0
"""Seconds that the processes of one level get to end by themselves."""


def main() -> None:
    """Follow the parent's list until it closes, then stop what is on it."""
    # Signals to the terminal's or the parent's group are not for this process: it must outlive its parent.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    listed: dict[int, tuple[int, int]] = {}
    for line in sys.stdin:
        match line.split():
            case ["+", level, pid, number]:
                listed[int(pid)] = (int(level), int(number))
            case ["-", pid]:
                listed.pop(int(pid), None)
    if listed:
        for name in sys.argv[1:]:
            Path(name).unlink(missing_ok=True)
    for level in sorted({level for level, _ in listed.values()}, reverse=True):
        _stop({pid: number for pid, (its_level, number) in listed.items() if its_level == level})


def _stop(signals: dict[int, int]) -> None:
    for pid, number in signals.items():
        _send(pid, number)
    end = time.monotonic() + GRACE
    while any(_alive(pid) for pid in signals) and time.monotonic() < end:
        time.sleep(0.02)
    for pid in signals:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    try:  # An ended process that nobody reaps (process 1 of some containers doesn't) still takes signals.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True


if __name__ == "__main__":
    main()
