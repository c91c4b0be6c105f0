"""The processes of one `pumice dev`, kept running together."""

import threading
import time
from collections.abc import Callable

from pumice.dev.children import Child, Guard, stop_all
from pumice.dev.console import Console
from pumice.dev.errors import DevError
from pumice.dev.launch import Launch

TICK = 0.05
"""Seconds between two looks at the processes."""
PAUSE = 1.0
"""Seconds before a process that died is started again."""
EARLY_DEATHS = 3
"""Deaths of one process, while everything is still starting, that end the start."""


class StopRequestedError(Exception):
    """A signal came while something was being waited for."""


class SupervisedProcesses:
    """Starts processes, starts them again when they die, and stops those of a higher level first.

    `stop` is set from outside to end what waits here.
    """

    def __init__(self, guard: Guard, console: Console, stop: threading.Event) -> None:
        self.settled = False
        self._guard, self._console, self._stop = guard, console, stop
        self._children: dict[str, Child] = {}
        self._start_at: dict[str, float] = {}

    def start(self, name: str, launch: Callable[[], Launch]) -> None:
        """Start a process and keep it running; `launch` is called for each start."""
        child = self._children[name] = Child(name, launch, self._guard, self._console.relay)
        child.start()

    def complete(self, name: str, launch: Launch) -> None:
        """Run a process to its end. Raises `DevError` unless it ends well."""
        child = Child(name, lambda: launch, self._guard, self._console.relay)
        child.start()
        try:
            while (code := child.ended()) is None:
                self.pause()
        finally:
            stop_all([child])
        if code != 0:
            raise DevError(f"{name} failed (exit code {code}); its output is above.")

    def wait_until(self, condition: Callable[[], bool], what: str, timeout: float) -> None:
        """Look after the processes until `condition` holds.

        Raises `DevError`, saying `what` didn't come, after `timeout` seconds or when a process keeps dying.
        """
        end = time.monotonic() + timeout
        while not condition():
            self.look()
            self.pause()
            if time.monotonic() > end:
                raise DevError(f"{what} within {timeout:.0f} s; its output is above.")

    def look(self) -> bool:
        """Start again what has died, after a pause. True when something was started."""
        now, started = time.monotonic(), False
        for name, child in self._children.items():
            asked = child.stopping
            code = child.ended()
            if code is not None:
                self._start_at[name] = now if asked else now + PAUSE
                if not asked:
                    self._mourn(child, code)
            elif self._start_at.get(name, now + 1) <= now:
                del self._start_at[name]
                child.start()
                started = True
        return started

    def restart(self, names: tuple[str, ...]) -> None:
        """Ask these to end; `look` starts each again when it has."""
        for name in names:
            self._children[name].ask_to_stop()

    def kill(self, names: tuple[str, ...]) -> None:
        """End these now."""
        for name in names:
            if name in self._children:
                self._children[name].kill()

    def pid(self, name: str) -> int | None:
        """The process id of `name` while it runs."""
        child = self._children.get(name)
        return child.pid if child else None

    def pause(self) -> None:
        """Let a moment pass. Raises `StopRequestedError` when it is time to stop."""
        if self._stop.wait(TICK):
            raise StopRequestedError

    def stop(self) -> None:
        """Stop everything, the highest level first."""
        children = list(self._children.values())
        for level in sorted({child.level for child in children}, reverse=True):
            stop_all([child for child in children if child.level == level])

    def _mourn(self, child: Child, code: int) -> None:
        if not self.settled and child.deaths >= EARLY_DEATHS:
            raise DevError(f"{child.name} ended {child.deaths} times (exit code {code}); its output is above.")
        self._console.say(f"{child.name} ended (exit code {code}), starting it again in {PAUSE:.0f} s")
