"""Calling authors' code for no longer than a limit, on a thread that is left behind when it does not return.

Python can't end a thread. So no more than a few are left behind in a process: after that nothing is called any more.
"""

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from pumice.agents.boundary import call_in_fresh_context
from pumice.errors import PumiceError

T = TypeVar("T")
MOST_LOST = 4
"""Threads that may be left behind and still run."""
BEAT = 1.0
"""Seconds between two signs of life while a call runs."""


class TooLongError(PumiceError):
    """A call did not return within its limit."""


class TooManyLostError(PumiceError):
    """Too many calls that were given up still run in this process."""


class BoundedCalls:
    """Calls authors' code within limits. For one thread."""

    def __init__(self) -> None:
        self._lost: list[threading.Thread] = []

    def call(
        self, function: Callable[..., T], *arguments: Any, limit: float, beat: Callable[[], None] = lambda: None
    ) -> T:
        """Call a function. `beat` is called once in a while as long as it runs.

        Raises whatever it raises, `SystemExit` too, `TooLongError` after `limit` seconds, and `TooManyLostError`
        without calling it.
        """
        self._lost = [one for one in self._lost if one.is_alive()]
        if len(self._lost) >= MOST_LOST:
            raise TooManyLostError
        call = _Call(function, arguments)
        thread = threading.Thread(target=call.run, name="pumice-bounded", daemon=True)
        thread.start()
        end = time.monotonic() + limit
        while not call.ended.wait(max(0.0, min(BEAT, end - time.monotonic()))):
            if time.monotonic() >= end:
                self._lost.append(thread)
                raise TooLongError
            beat()
        return call.outcome()


class _Call(Generic[T]):
    """One call and what came out."""

    def __init__(self, function: Callable[..., T], arguments: tuple[Any, ...]) -> None:
        self._function = function
        self._arguments = arguments
        self._result: list[T] = []
        self._error: BaseException | None = None
        self.ended = threading.Event()

    def run(self) -> None:
        """Make the call."""
        try:
            self._result.append(call_in_fresh_context(self._function, *self._arguments))
        except BaseException as error:
            self._error = error
        finally:
            self.ended.set()

    def outcome(self) -> T:
        """What it returned. Raises what it raised."""
        if self._error is not None:
            raise self._error
        return self._result[0]
