"""The event loop on which a worker process runs its async turns, side by side, in a thread of its own."""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from pumice.agents.boundary import run_forever, without_stop_iteration

T = TypeVar("T")


class LoopThreads(ThreadPoolExecutor):
    """The threads on which the loop's turns run what is not async, `asyncio.to_thread` included."""

    def submit(self, function: Callable[..., T], /, *arguments: Any, **options: Any) -> Future[T]:
        """Run a function on one of the threads."""
        return super().submit(without_stop_iteration, function, *arguments, **options)


class EventLoop:
    """One asyncio loop in a daemon thread, with up to `threads` threads for what is not async."""

    def __init__(self, threads: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._executor = LoopThreads(threads, thread_name_prefix="pumice-loop")
        self._loop.set_default_executor(self._executor)
        self._tasks: set[asyncio.Task[None]] = set()
        threading.Thread(target=run_forever, args=[self._loop], name="pumice-loop", daemon=True).start()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run a coroutine on the loop."""

        def start() -> None:
            task = self._loop.create_task(coroutine, context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(self._finished)

        self._loop.call_soon_threadsafe(start)

    def spawn_in_thread(self, function: Callable[..., None], *arguments: Any) -> None:
        """Run a blocking function on one of the loop's threads."""
        self._executor.submit(function, *arguments)

    def cancel(self, task: "asyncio.Task[Any]") -> None:
        """Cancel a coroutine that runs on the loop."""
        self._loop.call_soon_threadsafe(task.cancel)

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._loop.call_exception_handler({"message": "a session's run failed", "exception": task.exception()})
