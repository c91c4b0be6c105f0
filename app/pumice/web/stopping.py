"""Stopping a gunicorn worker: sockets close with 1012, requests are finished, and idle connections are not waited for.

By itself gunicorn waits for a kept-alive connection as for a request under way: until the client closes it, or until
the graceful timeout. Runs in the worker only, once gunicorn has patched everything for gevent.
"""

import time
from collections.abc import Callable
from typing import Any

import gevent

GRACE = 1.0
"""Seconds after the stop signal in which requests on their way may still arrive on open connections."""
LOOK = 0.25
"""Seconds between two looks at the connections that idle."""


class _IdleError(BaseException):
    """Ends the wait of a connection that has been idle for too long."""


class IdleConnections:
    """The greenlets that wait for the next request on their connection, at most `keepalive` seconds.

    They are looked through once in a while: a timer for each request would cost 2% of it.
    """

    def __init__(self, keepalive: float) -> None:
        self._keepalive = keepalive
        self._waiting: dict[Any, float] = {}

    def __enter__(self) -> None:
        """Wait for a request from now on."""
        self._waiting[gevent.getcurrent()] = time.monotonic()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> bool:
        """The request came, or the wait was ended, which gunicorn takes for a closed connection."""
        del self._waiting[gevent.getcurrent()]
        return isinstance(error, _IdleError)

    def watch(self) -> None:
        """End the waits that are over, for ever."""
        while True:
            gevent.sleep(LOOK)
            since = time.monotonic() - self._keepalive
            for greenlet in [one for one, begun in self._waiting.items() if begun <= since]:
                gevent.get_hub().loop.run_callback(self._end_one, greenlet)

    def end(self) -> None:
        """End all waits, soon, and make the next ones short."""
        self._keepalive = 0

    def _end_one(self, greenlet: Any) -> None:
        if greenlet in self._waiting:  # else its request came meanwhile
            greenlet.throw(_IdleError())


def prepare(worker: Any) -> Callable[[], None]:
    """Watch a gunicorn worker's idle connections. Returns what to call, from a signal handler, when it is to stop."""
    idle = IdleConnections(worker.cfg.keepalive)
    worker.idle = lambda: idle
    gevent.spawn(idle.watch)

    def stop() -> None:
        gevent.spawn(worker.wsgi.extensions["pumice.sockets"].close_all)
        gevent.spawn_later(GRACE, idle.end)

    return stop
