"""A system elsewhere that gets outgoing events: a local HTTP server that notes each request, and answers as told."""

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from standardwebhooks.webhooks import Webhook

from tests.support.waiting import wait_until


@dataclass(frozen=True)
class Got:
    """A request. `document` is its body as JSON."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def verified(self, secret: str) -> Any:
        """The body, whose signature the library of Standard Webhooks takes."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass
class Reply:
    """An answer. `before` is called when the request has come and before it is answered."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    before: Callable[[], Any] = lambda: None


class Receiver:
    """Takes events at any path. Each path answers with its replies in turn, then with 200."""

    def __init__(self, port: int = 0) -> None:
        self.got: list[Got] = []
        self._replies: dict[str, list[Reply]] = {}
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._answer(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def will(self, path: str, *replies: Reply) -> None:
        """Answer the next requests to a path like this."""
        with self._lock:
            self._replies.setdefault(path, []).extend(replies)

    def at(self, path: str) -> list[Got]:
        with self._lock:
            return [one for one in self.got if one.path == path]

    def waited(self, path: str, count: int = 1, timeout: float = 20) -> Sequence[Got]:
        """What came to a path, once it is so many."""
        return wait_until(lambda: found if len(found := self.at(path)) >= count else [], timeout, f"{count} at {path}")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["content-length"]))
        headers = {name.lower(): value for name, value in request.headers.items()}
        with self._lock:
            self.got.append(Got(request.path, headers, body))
            replies = self._replies.get(request.path)
            reply = replies.pop(0) if replies else Reply()
        reply.before()
        try:
            request.send_response(reply.status)
            for name, value in (reply.headers | {"content-length": str(len(reply.body))}).items():
                request.send_header(name, value)
            request.end_headers()
            request.wfile.write(reply.body)
        except OSError:  # who sent it is gone
            return


class Stall:
    """Something that hangs until it is ended."""

    def __init__(self) -> None:
        self._one, self._other = socket.socketpair()

    def wait(self) -> None:
        self._one.recv(1)

    def end(self) -> None:
        self._other.close()


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    receiver = Receiver(port)
    try:
        yield receiver
    finally:
        receiver.close()
