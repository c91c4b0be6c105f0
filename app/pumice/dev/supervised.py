"""The processes of one `pumice dev`, kept running together."""

import threading
import time
from collections.abc import Callable, Mapping

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
    """Starts processes, starts them again when they die, replaces them, and stops those of a higher level first.

    `stop` is set from outside to end what waits here.
    """

    def __init__(self, guard: Guard, console: Console, stop: threading.Event) -> None:
        self.settled = False
        self._guard, self._console, self._stop = guard, console, stop
        self._children: dict[str, Child] = {}
        self._successors: dict[str, Child] = {}
        self._leaving: list[Child] = []
        self._ended_successor: str | None = None
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

    def look(self) -> None:
        """Start again what has died, after a pause. Successors and what is leaving may end."""
        now = time.monotonic()
        self._leaving = [child for child in self._leaving if child.ended() is None and child.pid]
        for child in self._successors.values():
            if (code := child.ended()) is not None:
                self._ended_successor = f"{child.name} ended (exit code {code})"
        for name, child in self._children.items():
            code = child.ended()
            if code is not None:
                self._start_at[name] = now + PAUSE
                self._mourn(child, code)
            elif self._start_at.get(name, now + 1) <= now:
                del self._start_at[name]
                child.start()

    def start_successor(self, name: str, launch: Callable[[], Launch]) -> None:
        """Start, beside the process `name`, the one that may take its place."""
        child = self._successors[name] = Child(name, launch, self._guard, self._console.relay)
        child.start()

    def ended_successor(self) -> str | None:
        """Says which successor has ended by itself, if one has."""
        return self._ended_successor

    def discard_successors(self) -> None:
        """Ask the successors to end."""
        self._leave(self._successors)
        self._successors = {}
        self._ended_successor = None

    def switch_to_successors(self) -> None:
        """Put the successors in their places. The old ones are asked to end, and get the time that takes."""
        successors = self._successors
        self._leave({name: self._children[name] for name in successors})
        self._children |= successors
        self._successors = {}
        for name in successors:
            self._start_at.pop(name, None)

    def kill(self, names: tuple[str, ...]) -> None:
        """End these now."""
        for child in self._everything():
            if child.name in names:
                child.kill()

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
        children = self._everything()
        for level in sorted({child.level for child in children}, reverse=True):
            stop_all([child for child in children if child.level == level])

    def _everything(self) -> list[Child]:
        return [*self._children.values(), *self._successors.values(), *self._leaving]

    def _leave(self, children: Mapping[str, Child]) -> None:
        for child in children.values():
            child.ask_to_stop()
            self._leaving.append(child)

    def _mourn(self, child: Child, code: int) -> None:
        if not self.settled and child.deaths >= EARLY_DEATHS:
            raise DevError(f"{child.name} ended {child.deaths} times (exit code {code}); its output is above.")
        self._console.say(f"{child.name} ended (exit code {code}), starting it again in {PAUSE:.0f} s")
