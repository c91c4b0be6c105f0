"""gunicorn's HTTP parser, quick on plain heads, reading in bounds, with a body whose errors are problems.

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
from pumice.web.gunicorn_heads import read_plain_head
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


class QuickRequest(BoundedRequest):
    """One request, whose head gunicorn reads only if it is not plain."""

    plain = False
    """Whether its head was plain."""

    def parse(self, unreader: Any) -> bytes:
        """Read the head. Returns what came after it. Raises gunicorn's errors, and StopIteration when nothing came."""
        data = unreader.read()
        if not data:
            raise StopIteration
        head = read_plain_head(data, self) if self.cfg.proxy_protocol == "off" else None
        if head is None:
            unreader.unread(data)
            return bytes(super().parse(unreader))
        self.plain = True
        self.method, self.uri, self.version, self.headers = head.method, head.uri, head.version, head.headers
        self.path, _, self.query = head.uri.partition("?")
        self.fragment = ""
        self._read_scheme()
        return bytes(data[head.size :])

    def _read_scheme(self) -> None:
        """Find out, as gunicorn does, whether a trusted proxy says that the client speaks TLS with it."""
        schemes = self.cfg.secure_scheme_headers
        said = [(name, value) for name, value in self.headers if name in schemes]
        if said:
            policy: Any = self
            trusted, state = policy._peer_trusted_for_forwarded(), [False]  # noqa: SLF001 (inherited, and not typed)
            for name, value in said:
                policy._apply_header_policy(name, value, state, set(), *trusted)  # noqa: SLF001


class BoundedParser(RequestParser):
    """The requests of one connection. stock: read all heads by gunicorn's parser."""

    def __init__(self, cfg: Any, source: Any, source_addr: Any, unreader: PacedUnreader, *, stock: bool) -> None:
        super().__init__(cfg, source, source_addr)
        self.mesg_class = BoundedRequest if stock else QuickRequest  # type: ignore[misc]
        self.unreader = unreader
