"""Authors' code on the front: selectors, `verify` and `dedupe`, so that none holds up the requests beside it.

Each call has a context of its own, a time limit and, per selector, a bounded number of places; when those are taken,
the request gets a 503 at once. An async one runs on a loop of its own in a native thread, so any number of them run
side by side. A sync one runs where it is: under gevent it gives way to other requests whenever it waits, and is cut
when its time is over; one that computes without a pause can't be cut.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gevent
from gevent.monkey import is_module_patched
from gevent.threadpool import ThreadPool

from pumice.agents.boundary import call_in_fresh_context
from pumice.agents.deliveries import SELECTOR_TIMEOUT
from pumice.agents.requests import Request
from pumice.agents.selectors import Selector
from pumice.errors import Overloaded
from pumice.web.http.native_loop import run_natively

PLACES = 32
"""Calls of one selector that may be under way in one front process."""
THREADS = 512
"""Native threads at the most, over all selectors."""
SPARE = 1.0
"""Seconds beyond the limit in which a cancelled selector has to end; then its request goes on without it."""


class AuthorCode:
    """Calls selectors for requests. Safe for threads and greenlets."""

    def __init__(self) -> None:
        self._places: dict[int, threading.BoundedSemaphore] = {}
        self._threads: Callable[[Callable[[], Any]], Any] | None = None
        self._lock = threading.Lock()

    def __call__(self, selector: Selector, request: Request) -> Any:
        """The selector's value. Raises whatever it raises, `TimeoutError`, `Overloaded`."""
        if not selector.is_authors:
            return selector(request)
        with self._lock:
            places = self._places.setdefault(id(selector), threading.BoundedSemaphore(PLACES))
        if not places.acquire(blocking=False):
            raise Overloaded(f"{PLACES} requests wait for the selector {selector.name} already.", retry_after=1)
        if selector.is_async:
            return self._in_thread(selector, request, places.release)
        try:
            return call_in_fresh_context(_within_limit, selector, request)
        finally:
            places.release()

    def _in_thread(self, selector: Selector, request: Request, leave: Callable[[], None]) -> Any:
        """Run an async selector. Its place is taken until its thread is free again, however late that is."""

        async def limited() -> Any:
            return await asyncio.wait_for(selector(request), SELECTOR_TIMEOUT)

        def run() -> tuple[Any, BaseException | None]:
            try:
                return call_in_fresh_context(run_natively, limited()), None
            except BaseException as error:
                return None, error
            finally:
                leave()

        if self._threads is None:
            self._threads = _native_threads()
        value, error = self._threads(run)
        if error is not None:
            raise error
        return value


def _native_threads() -> Callable[[Callable[[], Any]], Any]:
    """What runs a function in a native thread and waits for it, whether gevent is at work in this process or not."""
    if is_module_patched("threading"):
        pool = ThreadPool(THREADS)

        def run_beside_hub(function: Callable[[], Any]) -> Any:
            try:
                return pool.spawn(function).get(timeout=SELECTOR_TIMEOUT + SPARE)
            except gevent.Timeout:
                raise TimeoutError from None

        return run_beside_hub
    executor = ThreadPoolExecutor(THREADS, thread_name_prefix="pumice-selector")
    return lambda function: executor.submit(function).result(SELECTOR_TIMEOUT + SPARE)


def _within_limit(selector: Selector, request: Request) -> Any:
    if not is_module_patched("threading"):
        return selector(request)
    try:
        with gevent.Timeout(SELECTOR_TIMEOUT):
            return selector(request)
    except gevent.Timeout:
        raise TimeoutError from None
