"""gunicorn's HTTP parser, reading in bounds, and a body whose errors are problems.

What an author's hook or a route reads as `wsgi.input` is `ProblemBody`: a connection that breaks off in the middle of a
body, or a chunk that is none, is the client's mistake and is answered as such.
"""

import time
from typing import Any

from gunicorn.http.body import Body
from gunicorn.http.errors import ParseException
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser

from pumice.errors import Malformed, Problem
from pumice.web.gunicorn_reading import PacedUnreader
from pumice.web.gunicorn_refusals import refusal

DRAINED_BYTES, DRAINED_SECONDS = 65_536, 1.0
"""How much of a body that nobody read is dropped to keep the connection; beyond it, the connection is closed."""


class ProblemBody(Body):
    """A request's body. Reading it raises `Problem` for whatever is wrong with it."""

    def _read_reader(self, size: int) -> bytes:
        try:
            return bytes(self.reader.read(size))
        except (Problem, ParseException) as error:
            self.failed = True
            raise refusal(error) from None
        except OSError:
            self.failed = True
            raise Malformed("the connection ended before the body was complete") from None


class BoundedRequest(Request):
    """One request."""

    body: Any

    def set_body_reader(self) -> None:
        """Have the body read by `ProblemBody`."""
        super().set_body_reader()
        self.body = ProblemBody(self.body.reader)

    def should_close(self) -> bool:
        """Whether its connection ends with it: also when more of its body is left than is worth dropping."""
        return bool(super().should_close()) or self.body.failed or self._left() > DRAINED_BYTES

    def unread(self) -> bool:
        """Whether some of its body may still be on its way."""
        return self.body.failed or self._left() > 0

    def drained(self) -> bool:
        """Drop what nobody read of its body. Returns whether the next request can be read."""
        until, dropped = time.monotonic() + DRAINED_SECONDS, 0
        while self._left() and dropped <= DRAINED_BYTES and time.monotonic() < until:
            try:
                got = len(self.body.read(8_192))
            except Problem:
                return False
            dropped += got
            if not got:
                return True
        return not self._left()

    def _left(self) -> int:
        """How many bytes of the body were not read; of one in chunks, 1 until its end was seen."""
        reader = self.body.reader
        length = getattr(reader, "length", None)
        return int(reader.parser is not None) if length is None else int(length)


class BoundedParser(RequestParser):
    """The requests of one connection."""

    mesg_class = BoundedRequest

    def __init__(self, cfg: Any, source: Any, source_addr: Any, unreader: PacedUnreader) -> None:
        super().__init__(cfg, source, source_addr)
        self.unreader = unreader
