"""CORS (Fetch standard, 3.2): which pages from elsewhere may read what is answered here.

ALLOWED_ORIGINS names them, for HTTP and WebSockets alike. It stands around the whole application, so that whatever is
answered carries the headers: streams, problems, and what Flask itself refuses. There are no cookies, so nothing is
allowed that an origin could do only with its user's.
"""

from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

Environ = dict[str, Any]
Header = tuple[str, str]

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
ASKED = (
    "accept, authorization, content-type, idempotency-key, last-event-id, prefer, x-api-key, x-session-id,"
    " x-session-token"
)
"""The request headers that a page may send."""
SHOWN = "Location, Retry-After, WWW-Authenticate, X-Interaction-Id"
"""The response headers that a page may read, beside those that it always may."""
MAX_AGE = "7200"
"""Seconds that a browser may remember what a preflight said; Chromium does not for longer."""
ALLOW_ORIGIN = "Access-Control-Allow-Origin"


class Origins:
    """The origins of ALLOWED_ORIGINS."""

    def __init__(self, allowed: str) -> None:
        self._allowed = frozenset(one.strip() for one in allowed.split(","))
        self.all = "*" in self._allowed

    def allow(self, origin: str | None) -> bool:
        """Whether a request with this `Origin` header may be answered to its page. None: it comes from no page."""
        return origin is None or self.all or origin in self._allowed

    def headers(self, origin: str | None) -> list[Header]:
        """The headers of an answer to a request with this `Origin` header."""
        if origin is None:
            return [] if self.all else [("Vary", "Origin")]
        found = [("Vary", "Origin")]
        if self.allow(origin):
            found += [(ALLOW_ORIGIN, "*" if self.all else origin), ("Access-Control-Expose-Headers", SHOWN)]
        return found

    def preflight(self, origin: str) -> list[Header]:
        """The headers of an answer to a preflight."""
        found = self.headers(origin)
        if self.allow(origin):
            found += [
                ("Access-Control-Allow-Methods", METHODS),
                ("Access-Control-Allow-Headers", ASKED),
                ("Access-Control-Max-Age", MAX_AGE),
            ]
        return found


def allow_origins(app: Flask, allowed: str) -> None:
    """Answer preflights, and add the headers to all that this app answers."""
    origins = Origins(allowed)
    inner: Callable[[Environ, Callable[..., Any]], Iterable[bytes]] = app.wsgi_app

    def outer(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        origin = environ.get("HTTP_ORIGIN")
        if origin is None and origins.all:
            return inner(environ, start_response)
        if origin is not None and _is_preflight(environ):
            start_response("204 NO CONTENT", origins.preflight(origin))
            return []
        more = origins.headers(origin)

        def start(status: str, headers: list[Header], *rest: Any) -> Any:
            return start_response(status, _with(headers, more), *rest)

        return inner(environ, start)

    app.wsgi_app = outer  # type: ignore[method-assign]


def _is_preflight(environ: Environ) -> bool:
    return environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ


def _with(headers: list[Header], more: list[Header]) -> list[Header]:
    """The headers with more of them, but for those that an agent's own response says otherwise."""
    given = {name.lower() for name, _ in headers}
    return [*headers, *((name, value) for name, value in more if name == "Vary" or name.lower() not in given)]
