"""The event loop on which a worker process runs its async turns, side by side, in a thread of its own."""

import asyncio
import contextvars
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from types import FrameType
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
        self._asked: float | None = None
        self._thread = threading.Thread(target=run_forever, args=[self._loop], name="pumice-loop", daemon=True)
        self._thread.start()

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

    @property
    def frame(self) -> FrameType | None:
        """What the loop's thread executes just now."""
        return sys._current_frames().get(self._thread.ident or 0)  # noqa: SLF001 (documented, for such uses)

    @property
    def current_task(self) -> "asyncio.Task[Any] | None":
        """The task that the loop is in just now, seen from another thread."""
        return asyncio.current_task(self._loop)

    def blocked_for(self, now: float, *, busy: bool) -> float:
        """For how many seconds the loop has owed a sign of life at `now`; asks for the next one if it is `busy`."""
        if self._asked is not None:
            return now - self._asked
        if busy:
            self._asked = now
            self._loop.call_soon_threadsafe(self._give_sign)
        return 0.0

    def excuse(self, seconds: float, now: float) -> None:
        """Leave so many seconds up to `now` out: the whole process stood still, so the loop could give no sign."""
        if self._asked is not None:
            self._asked = min(self._asked + seconds, now)

    def _give_sign(self) -> None:
        self._asked = None

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._loop.call_exception_handler({"message": "a session's run failed", "exception": task.exception()})
