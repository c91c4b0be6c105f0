"""An event loop for a native thread of a process in which gevent is at work.

gevent replaces what asyncio waits with, and threads with greenlets. In a native thread neither is wanted: a loop that
waits within gevent was seen not to be woken any more after another loop of the process had been lost.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from gevent.monkey import get_original

T = TypeVar("T")
THREADS = 8
"""Native threads that a loop has at a time for what is given to its default executor."""


class NativeLoop(asyncio.SelectorEventLoop):
    """Waits, and runs what is given to its default executor, without gevent."""

    def __init__(self) -> None:
        super().__init__(get_original("selectors", "DefaultSelector")())
        self._waiting: deque[Callable[[], None]] = deque()
        self._free = THREADS

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Run a function in a native thread of its own, unless an executor is given. Returns an awaitable.

        Called on the loop's thread, as asyncio and what is built on it does.
        """
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        future = self.create_future()

        def run() -> None:
            value, error = None, None
            try:
                value = func(*args)
            except BaseException as raised:
                error = raised
            with suppress(RuntimeError):  # the loop is closed: nobody waits for it
                self.call_soon_threadsafe(self._end, future, value, error)

        self._waiting.append(run)
        self._start()
        return future

    def _start(self) -> None:
        """Start what waits, as far as threads are free."""
        while self._free and self._waiting:
            self._free -= 1
            get_original("_thread", "start_new_thread")(self._waiting.popleft(), ())

    def _end(self, future: "asyncio.Future[Any]", value: Any, error: BaseException | None) -> None:
        self._free += 1
        self._start()
        if future.done():
            return
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


def run_natively(main: Coroutine[Any, Any, T]) -> T:
    """What `asyncio.run` does, on a loop without gevent."""
    with asyncio.Runner(loop_factory=NativeLoop) as runner:
        return runner.run(main)
