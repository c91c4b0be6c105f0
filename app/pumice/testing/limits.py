"""Running a turn in a test no longer than its limit: on a thread, or on the event loop that all async turns share.

A turn that is past its limit is left behind, as a worker does: its thread may go on, and what it does no longer counts.
All threads here are daemons, so that a handler that hangs does not keep the test run from ending.
"""

import asyncio
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from pumice.agents.boundary import run_forever
from pumice.agents.turn import drive

T = TypeVar("T")
LOOP_GRACE = 5.0
"""Seconds after its limit that an async turn, which is cancelled then, has to end before its loop is left behind."""


class DaemonThreads(ThreadPoolExecutor):
    """An executor with a daemon thread for each call."""

    def submit(self, function: Callable[..., T], /, *arguments: Any, **options: Any) -> Future[T]:
        """Run a function on a thread of its own."""
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(function(*arguments, **options))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=run, name="pumice-turn", daemon=True).start()
        return future


_threads = DaemonThreads()
_loops: list[asyncio.AbstractEventLoop] = []
_starting = threading.Lock()


def run_on_thread(turn: Coroutine[Any, Any, T], limit: float) -> T:
    """Run a turn whose handlers are sync. Raises `TimeoutError` when it takes longer than `limit` seconds."""
    future: Future[T] = _threads.submit(contextvars.copy_context().run, drive, turn)
    if not wait([future], limit).done:
        raise TimeoutError
    return future.result()


def run_on_loop(turn: Coroutine[Any, Any, T], limit: float | None) -> T:
    """Run a turn on the event loop. Raises `TimeoutError` when it blocks the loop for longer than `limit` seconds."""
    loop = _shared_loop()
    future = asyncio.run_coroutine_threadsafe(turn, loop)
    if not wait([future], None if limit is None else limit + LOOP_GRACE).done:
        _loops.remove(loop)
        raise TimeoutError
    return future.result()


def off_loop(function: Callable[..., T], *arguments: Any) -> T:
    """Call a function that may run an event loop of its own: on a thread when the test itself runs on one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return function(*arguments)
    future: Future[T] = _threads.submit(contextvars.copy_context().run, function, *arguments)
    return future.result()


def _shared_loop() -> asyncio.AbstractEventLoop:
    """The loop of all async turns of this process, as a worker has one; a new one when the last was left behind."""
    with _starting:
        if not _loops:
            loop = asyncio.new_event_loop()
            loop.set_default_executor(_threads)
            threading.Thread(target=run_forever, args=[loop], name="pumice-loop", daemon=True).start()
            _loops.append(loop)
        return _loops[0]
