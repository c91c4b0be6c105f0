"""An event loop for a native thread of a process in which gevent is at work.

gevent replaces what asyncio waits with, and threads with greenlets. In a native thread neither is wanted: a loop that
waits within gevent was seen not to be woken any more after a loop of the same thread had been lost.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from gevent.monkey import get_original

T = TypeVar("T")


class NativeLoop(asyncio.SelectorEventLoop):
    """Waits, and runs what is given to its default executor, without gevent."""

    def __init__(self) -> None:
        super().__init__(get_original("selectors", "DefaultSelector")())

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Run a function in a native thread of its own, unless an executor is given. Returns an awaitable."""
        if executor is not None:
            return super().run_in_executor(executor, func, *args)
        future = self.create_future()

        def end(value: Any, error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

        def run() -> None:
            value, error = None, None
            try:
                value = func(*args)
            except BaseException as raised:
                error = raised
            with suppress(RuntimeError):  # the loop is closed: nobody waits for it
                self.call_soon_threadsafe(end, value, error)

        get_original("_thread", "start_new_thread")(run, ())
        return future


def run_natively(main: Coroutine[Any, Any, T]) -> T:
    """What `asyncio.run` does, on a loop without gevent."""
    with asyncio.Runner(loop_factory=NativeLoop) as runner:
        return runner.run(main)
