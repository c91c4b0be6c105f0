"""How the bytes of a request are read from its connection: against the clock, and within the front's budget.

A request passes three phases. Idle: nothing of it has come; how long that may last is decided in `stopping`. Head: from
its first byte until its headers are complete. Body: until the request is over.
"""

import time
from typing import Any

import gevent
from gunicorn.http.errors import LimitRequestHeaders
from gunicorn.http.unreader import SocketUnreader

from pumice.errors import RequestTimeout, TooLarge
from pumice.web.http.body_budget import BodyBudget

HEAD_SECONDS = 15.0
"""How long a request's line and headers may take from their first byte on."""
HEAD_LIMIT = 40_960
"""Bytes of a request's line and headers."""
GRACE_SECONDS, SLOWEST = 5.0, 4_096
"""A body must come at this many bytes a second, on average, once the grace is over."""
UPLOAD_SECONDS = 3_600.0
"""How long a file may take to arrive."""
WIRE_FACTOR, WIRE_EXTRA = 2, 65_536
"""How much more than the largest body may come over the wire: chunks have sizes of their own."""


class PacedUnreader(SocketUnreader):
    """Reads a connection. Raises `RequestTimeout`, `TooLarge`, and what `BodyBudget` raises."""

    def __init__(self, sock: Any, budget: BodyBudget, body_limit: int, body_timeout: float) -> None:
        super().__init__(sock)
        self._budget, self._timeout = budget, body_timeout
        self._body_limit = body_limit
        self._wire_limit = 0
        self._address: str | None = None
        self._upload: int | None = None
        self._taken = 0
        self._since = 0.0

    def begin_body(self, address: str, upload: int | None = None) -> None:
        """The head is complete; what is read from now on is its body, from a client at this address.

        upload: how large it may be, if it is a file that is kept on disk as it comes: it takes nothing of the budget,
        and all the time that it needs at the slowest pace.
        """
        self._address, self._upload, self._taken, self._since = address, upload, 0, 0.0
        self._wire_limit = WIRE_FACTOR * (self._body_limit if upload is None else upload) + WIRE_EXTRA

    def end_body(self) -> None:
        """The request is over: give back what its body took of the budget."""
        if self._taken and self._address is not None and self._upload is None:
            self._budget.give_back(self._address, self._taken)
        self._address, self._taken = None, 0

    def chunk(self, size_hint: int | None = None) -> bytes:
        """The next bytes that came."""
        if self._address is not None:
            return self._of_body(self._address, size_hint)
        if not self._taken:
            data = bytes(super().chunk())
            self._since = time.monotonic()
        else:
            data = self._in_time(HEAD_SECONDS, "the headers", None)
        self._taken += len(data)
        if self._taken > HEAD_LIMIT:
            raise LimitRequestHeaders("the head of the request")
        return data

    def _of_body(self, address: str, size_hint: int | None) -> bytes:
        if self._since:
            gevent.sleep(0)  # a client that sends without a pause would be read without one
        else:
            self._since = time.monotonic()
        most = UPLOAD_SECONDS if self._upload is not None else self._timeout
        data = self._in_time(min(most, GRACE_SECONDS + self._taken / SLOWEST), "the body", size_hint)
        if self._taken + len(data) > self._wire_limit:
            raise TooLarge
        if self._upload is None:
            self._budget.take(address, len(data))
        self._taken += len(data)
        return data

    def _in_time(self, seconds: float, what: str, size_hint: int | None) -> bytes:
        """The next bytes. seconds: how long all of it may take, since the phase began."""
        before = self.sock.gettimeout()
        left = self._since + seconds - time.monotonic()
        if left <= 0:
            raise RequestTimeout(f"{what} came too slowly")
        try:
            self.sock.settimeout(left)
            return bytes(super().chunk(size_hint))  # type: ignore[call-arg]
        except TimeoutError:
            raise RequestTimeout(f"{what} came too slowly") from None
        finally:
            self.sock.settimeout(before)
