"""Stopping a gunicorn worker: sockets close with 1012, requests are finished, and idle connections are not waited for.

By itself gunicorn waits for a kept-alive connection as for a request under way: until the client closes it, or until
the graceful timeout. Runs in the worker only, once gunicorn has patched everything for gevent.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import gevent

GRACE = 1.0
"""Seconds after the stop signal in which requests on their way may still arrive on open connections."""


class IdleConnections:
    """The greenlets that wait for the next request on their connection, at most `keepalive` seconds."""

    def __init__(self, keepalive: float) -> None:
        self._keepalive = keepalive
        self._waiting: dict[Any, gevent.Timeout] = {}

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Wait for a request meanwhile; ends silently when the time is over, or at `end`."""
        silent: Any = False
        with gevent.Timeout(self._keepalive, silent) as timeout:
            greenlet = gevent.getcurrent()
            self._waiting[greenlet] = timeout
            try:
                yield
            finally:
                del self._waiting[greenlet]

    def end(self) -> None:
        """End all waits, soon, and make the next ones short."""
        self._keepalive = GRACE
        for greenlet in list(self._waiting):
            gevent.get_hub().loop.run_callback(self._end_one, greenlet)

    def _end_one(self, greenlet: Any) -> None:
        timeout = self._waiting.get(greenlet)
        if timeout is not None:  # else its request came meanwhile
            greenlet.throw(timeout)


def prepare(worker: Any) -> Callable[[], None]:
    """Watch a gunicorn worker's idle connections. Returns what to call, from a signal handler, when it is to stop."""
    idle = IdleConnections(worker.cfg.keepalive)
    ctx: Callable[[], AbstractContextManager[None]] = idle.waiting
    worker.timeout_ctx = ctx

    def stop() -> None:
        gevent.spawn(worker.wsgi.extensions["pumice.sockets"].close_all)
        gevent.spawn_later(GRACE, idle.end)

    return stop
