"""Processes that are started again when they die, as a platform does it, unless a test holds them back."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO

from pumice.dev.children import Child, Guard
from pumice.dev.launch import Launch
from tests.support.waiting import wait_until

PAUSE = 1.0
"""Seconds between a process's death and its next start; the same as `pumice dev` and Heroku's first restart."""


class SupervisedProcesses:
    """Named processes and a thread that looks after them. Safe to use from the test's thread."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._children: dict[str, Child] = {}
        self._lines: dict[str, list[str]] = {}
        self._held: set[str] = set()
        self._due: dict[str, float] = {}
        self._codes: dict[str, list[int]] = {}
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="processes", daemon=True)
        self._thread.start()

    def start(self, name: str, launch: Callable[[], Launch]) -> None:
        """Start a process and keep it running."""
        with self._lock:
            self._lines[name], self._codes[name] = [], []
            self._children[name] = Child(name, launch, self._guard, self._collect)
            self._children[name].start()

    def pid(self, name: str) -> int:
        """The running process's id; 0 when it doesn't run."""
        with self._lock:
            return self._children[name].pid or 0

    def name_of(self, pid: int) -> str:
        """Which process has this id."""
        with self._lock:
            return next(name for name, child in self._children.items() if child.pid == pid)

    def log(self, name: str) -> str:
        """What it has printed."""
        return "".join(self._lines[name])

    def codes(self, name: str) -> list[int]:
        """The exit codes of its ends so far."""
        return list(self._codes[name])

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the process; SIGKILL, SIGSTOP and SIGCONT go to its whole group."""
        to_group = number in {signal.SIGKILL, signal.SIGSTOP, signal.SIGCONT}
        with self._lock:
            pid = self._children[name].pid
            if pid:
                with suppress(ProcessLookupError):
                    (os.killpg if to_group else os.kill)(pid, number)

    def kill(self, *names: str) -> None:
        """kill -9, and wait until they are gone."""
        pids = {name: self.pid(name) for name in names}
        for name in names:
            self.send(name, signal.SIGKILL)
        wait_until(lambda: all(self.pid(name) != pid for name, pid in pids.items()), 20, f"the end of {names}")

    @contextmanager
    def held(self, *names: str) -> Iterator[None]:
        """What of these ends in the meantime is started again only at the end."""
        with self._lock:
            self._held.update(names)
        try:
            yield
        finally:
            with self._lock:
                self._held.difference_update(names)

    def ended(self, *names: str) -> bool:
        """Is none of these running?"""
        return not any(self.pid(name) for name in names)

    def stop(self) -> None:
        """End everything: what takes longest first."""
        self._over.set()
        self._thread.join()
        with self._lock:
            for level in sorted({child.level for child in self._children.values()}, reverse=True):
                for child in self._children.values():
                    if child.level == level:
                        self._end(child)

    def _end(self, child: Child) -> None:
        if child.pid and child.level:
            child.kill()
        child.ask_to_stop()
        while child.pid:
            child.ended()
            time.sleep(0.01)

    def _collect(self, name: str, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._lines[name].append(line.decode(errors="replace"))

    def _run(self) -> None:
        while not self._over.wait(0.02):
            with self._lock:
                for name, child in self._children.items():
                    self._look(name, child)

    def _look(self, name: str, child: Child) -> None:
        now = time.monotonic()
        code = child.ended()
        if code is not None:
            self._codes[name].append(code)
            self._due[name] = now + PAUSE
        elif name in self._due and name not in self._held and self._due[name] <= now:
            del self._due[name]
            child.start()
