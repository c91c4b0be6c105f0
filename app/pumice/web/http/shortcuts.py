"""What Flask and Werkzeug do per request that nobody here needs, left out: measured, and kept small.

Flask stays: routing, request contexts, error handlers. But responses are final when a view returns them (no charset
guessing, no conditional answers, no relative Location to correct), there are no Flask sessions, and a request's body
and headers are read from the WSGI environment (PEP 3333) once.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flask import Flask, Request
from flask import Response as FlaskResponse
from flask.sessions import NullSession, SessionInterface
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.routing import MapAdapter

from pumice.errors import Malformed

Environ = dict[str, Any]


ROUTES_REMEMBERED = 1_000


class RememberingAdapter(MapAdapter):
    """Finds routes by method and path alone, and remembers them: a hook's address is the same each time."""

    found: dict[tuple[str, str], tuple[Any, Mapping[str, Any]]]

    def match(self, *arguments: Any, **options: Any) -> Any:
        """The route of the request, as Flask asks for it. Raises what Werkzeug raises."""
        if arguments or options != {"return_rule": True}:
            return super().match(*arguments, **options)
        key = self.default_method, self.path_info
        known = self.found.get(key)
        if known is None:
            known = super().match(return_rule=True)
            if len(self.found) >= ROUTES_REMEMBERED:
                self.found.clear()
            self.found[key] = known
        return known[0], dict(known[1])


class SingleHostFlask(Flask):
    """Flask on one host."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._found: dict[tuple[str, str], tuple[Any, Mapping[str, Any]]] = {}

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """What finds the route. Those of WebSockets depend on more, which Werkzeug reads."""
        environ = {} if request is None else request.environ
        if request is None or "HTTP_UPGRADE" in environ:
            environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)  # compression would keep 300 kB for each socket
            return super().create_url_adapter(request)
        path = environ.get("PATH_INFO", "").encode("latin-1").decode(errors="replace")
        adapter = RememberingAdapter(self.url_map, "", "/", "", "http", path, environ["REQUEST_METHOD"])
        adapter.found = self._found
        return adapter


WITHOUT_LENGTH = {204, 304}
"""Statuses of responses that have no body and say so (RFC 9110, section 8.6)."""


class FinalResponse(FlaskResponse):
    """A response of a few bytes that is complete: its status, its headers and its body leave as they are."""

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer (PEP 3333)."""
        if self.is_streamed or self.direct_passthrough:
            return super().__call__(environ, start_response)
        body = self.get_data()
        headers = self.headers.to_wsgi_list()
        if self.status_code in WITHOUT_LENGTH:
            headers = [(name, value) for name, value in headers if name != "Content-Length"]
        start_response(self.status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


class NoSessions(SessionInterface):
    """Flask's sessions, none of them."""

    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:  # noqa: ARG002 (Flask's interface)
        """The one session that nobody uses."""
        return self._none


def read_body(request: Request) -> bytes:
    """The request's body, whole.

    Raises `RequestEntityTooLarge` without reading more than the app's limit, `Malformed` when it ends too early.
    """
    length, source = request.environ.get("CONTENT_LENGTH"), request.environ["wsgi.input"]
    limit = request.max_content_length
    if not length or not length.isdecimal():
        body = bytes(source.read() if limit is None else source.read(limit + 1))
        if limit is not None and len(body) > limit:
            raise RequestEntityTooLarge
        return body
    if limit is not None and int(length) > limit:
        raise RequestEntityTooLarge
    body = bytes(source.read(int(length)))
    if len(body) < int(length):
        raise Malformed("the body ended before its length")
    return body


def read_headers(request: Request) -> list[tuple[str, str]]:
    """The request's headers, in the order in which they came."""
    environ = request.environ
    pairs = [(key[5:].replace("_", "-").title(), value) for key, value in environ.items() if key[:5] == "HTTP_"]
    pairs += [(name, environ[key]) for key, name in PLAIN if environ.get(key)]
    return pairs


PLAIN = (("CONTENT_TYPE", "Content-Type"), ("CONTENT_LENGTH", "Content-Length"))


def read_query(request: Request) -> list[tuple[str, str]]:
    """The request's query parameters."""
    return list(request.args.items(multi=True)) if request.environ.get("QUERY_STRING") else []


def read_path(request: Request) -> str:
    """The request's path with its query, as it came."""
    return str(request.environ.get("RAW_URI") or request.full_path.rstrip("?"))
