"""How a plain request is handed to the app, and how its response leaves: in one write, if it is short.

gunicorn builds what it hands over anew for each request, formats the date each time, and writes the head and the body
of a response by themselves, so a client is woken twice. What an app may rely on stays as gunicorn has it.
"""

import time
from typing import Any, Final

from gunicorn import util
from gunicorn.http.wsgi import Response, base_environ

SHORT: Final = 65_536
"""Bytes of a body up to which copying it behind its head is cheaper than a second write."""

_date = (0, "")


class OneWriteResponse(Response):
    """Writes head and body together where the app gives a short body whole, with its length."""

    req: Any
    _omits_body: bool

    def default_headers(self) -> list[str]:
        """The headers that gunicorn itself adds."""
        connection = "close" if self.should_close() else "keep-alive"
        headers = [
            f"HTTP/1.{self.req.version[1]} {self.status}\r\n",
            f"Server: {self.version}\r\nDate: {_http_date()}\r\nConnection: {connection}\r\n",
        ]
        if self.chunked:
            headers.append("Transfer-Encoding: chunked\r\n")
        return headers

    def write(self, arg: bytes) -> None:
        """Write a piece of the body, after the head where that was not written yet (PEP 3333)."""
        if self.headers_sent or self.chunked or len(arg) != self.response_length or len(arg) > SHORT:
            super().write(arg)
            return
        head = "".join([*self.default_headers(), *(f"{name}: {value}\r\n" for name, value in self.headers), "\r\n"])
        self.headers_sent = True
        self.sent = len(arg)
        _send_all(self.sock, head.encode("latin-1") if self._omits_body else head.encode("latin-1") + arg)


class Handover:
    """Makes the environment (PEP 3333) of plain requests on one server."""

    def __init__(self, cfg: Any) -> None:
        self._base = {**base_environ(cfg), "wsgi.multithread": True, "SCRIPT_NAME": ""}
        del self._base["wsgi.file_wrapper"]

    def environ(self, request: Any, sock: Any, peer: tuple[Any, ...], listener: tuple[Any, ...]) -> dict[str, Any]:
        """What the app is called with."""
        environ = {
            **self._base,
            "wsgi.input": request.body,
            "wsgi.url_scheme": request.scheme,
            "gunicorn.socket": sock,
            "REQUEST_METHOD": request.method,
            "RAW_URI": request.uri,
            "PATH_INFO": util.unquote_to_wsgi_str(request.path),
            "QUERY_STRING": request.query,
            "SERVER_PROTOCOL": "HTTP/1.1" if request.version == (1, 1) else "HTTP/1.0",
            "REMOTE_ADDR": peer[0],
            "REMOTE_PORT": str(peer[1]),
            "SERVER_NAME": listener[0],
            "SERVER_PORT": str(listener[1]),
        }
        for name, value in request.headers:
            key = name.replace("-", "_")
            if key not in {"CONTENT_TYPE", "CONTENT_LENGTH"}:
                key = "HTTP_" + key
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        return environ


def _http_date() -> str:
    """The date of now; formatted once a second."""
    global _date  # noqa: PLW0603 (one string for all connections)
    now = int(time.time())
    if _date[0] != now:
        _date = now, util.http_date(now)
    return _date[1]


def _send_all(sock: Any, data: bytes) -> None:
    """Write it all. gevent's `sendall` asks for the size of the kernel's buffer first; most responses fit."""
    sent = sock.send(data)
    if sent < len(data):
        sock.sendall(memoryview(data)[sent:])
