"""gunicorn's gevent worker, with bounds on what one connection may cost the others.

Head and body of a request must arrive in time and in bounds; a body's bytes count in the front's budget until the
request is over. Whatever is refused before Flask sees it is answered as `application/problem+json`. A connection that
breaks off leaves one debug line. Nothing here logs an address or a header: they may hold keys.
"""

import contextlib
import os
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import gevent
from gunicorn import util
from gunicorn.http.errors import NoMoreData
from gunicorn.workers.ggevent import GeventWorker

from pumice.logs import get_logger
from pumice.settings import Settings
from pumice.web.gunicorn_parser import BoundedParser, BoundedRequest
from pumice.web.gunicorn_reading import PacedUnreader
from pumice.web.gunicorn_refusals import refusal, written
from pumice.web.gunicorn_response import Handover, OneWriteResponse
from pumice.web.http.body_budget import BodyBudget
from pumice.web.http.client_address import client_address, forwarded

SEND_SECONDS = 60.0
"""How long a client may take to read one piece of a response."""
LINGER_SECONDS, LINGER_BYTES = 1.0, 32_000_000
"""What is still read, and dropped, of a request that was refused: a socket that is closed with bytes unread is reset,
and the client may then never see the answer."""
IMPORT_PATH = "/sessions/import"

log = get_logger("pumice.web")


class FrontWorker(GeventWorker):
    """Serves HTTP/1.1 on greenlets, one a connection."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        settings = Settings.from_env()
        self._body_limit, self._body_timeout = settings.body_limit, settings.body_timeout
        self._import_limit = settings.import_limit
        self._proxies = settings.trusted_proxies
        self._budget = BodyBudget(settings.body_budget)
        self._stock = settings.runs_stock("gunicorn") or bool(os.environ.get("SCRIPT_NAME"))
        self._handover = Handover(self.cfg)
        self.idle: Callable[[], AbstractContextManager[Any]] = nullcontext

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve a connection until it ends."""
        client.setblocking(True)
        try:
            self._serve(listener.getsockname(), client, addr)
        except OSError as error:
            log.debug("connection_lost", error=type(error).__name__)
        except BaseException as error:  # a greenlet that is killed at the end of a stop, too
            self.handle_error(None, client, addr, error)
        finally:
            util.close(client)

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:  # noqa: ARG002 (gunicorn's)
        """Answer what gunicorn or the app could not, as a problem, and end the connection."""
        with contextlib.suppress(OSError):
            client.settimeout(LINGER_SECONDS)
            client.sendall(written(refusal(exc)))
            _linger(client)

    def _answer(self, listener_name: Any, req: Any, sock: Any, addr: Any) -> None:
        """Have the app answer a request. Raises StopIteration when the connection is to end after it."""
        if not (getattr(req, "plain", False) and isinstance(addr, tuple) and isinstance(listener_name, tuple)):
            self.handle_request(listener_name, req, sock, addr)
            return
        self.nr += 1
        if self.nr >= self.max_requests and self.alive:
            log.info("worker_restarts", requests=self.nr)
            self.alive = False
        response = OneWriteResponse(req, sock, self.cfg)
        if not self.alive:
            response.force_close()
        try:
            self._respond(response, self._handover.environ(req, sock, addr, listener_name))
        except (gevent.GreenletExit, SystemExit):
            return
        if response.should_close():
            raise StopIteration

    def _respond(self, response: OneWriteResponse, environ: dict[str, Any]) -> None:
        try:
            pieces: Any = self.wsgi(environ, response.start_response)  # type: ignore[arg-type]
            try:
                for piece in pieces:
                    response.write(piece)
                response.close()
            finally:
                if hasattr(pieces, "close"):
                    pieces.close()
        except OSError:
            raise
        except Exception as error:
            if not response.headers_sent:
                raise
            log.exception("response_broken", exc_info=error)
            raise StopIteration from None  # the client sees that the response is not whole

    def _serve(self, listener_name: Any, client: Any, addr: Any) -> None:
        unreader = PacedUnreader(client, self._budget, self._body_limit, self._body_timeout)
        parser = BoundedParser(self.cfg, client, addr, unreader, stock=self._stock)
        request: Any = None
        try:
            while True:
                request = None
                with self.idle():
                    request = next(parser)
                if request is None:
                    return
                unreader.begin_body(self._address(request, addr), self._upload(request))
                client.settimeout(SEND_SECONDS)
                try:
                    self._answer(listener_name, request, client, addr)
                finally:
                    unreader.end_body()
                    client.settimeout(None)
                if not request.drained():
                    break
        except (StopIteration, NoMoreData):
            log.debug("connection_closed")
        except OSError:
            raise
        except Exception as error:
            self.handle_error(request, client, addr, error)
            return
        if request is not None and request.unread():
            _linger(client)

    def _upload(self, request: BoundedRequest) -> int | None:
        """How large a request's file may be, if it is one that its route keeps on disk."""
        uploads = request.method == "POST" and str(request.path).endswith(IMPORT_PATH)
        return self._import_limit if uploads else None

    def _address(self, request: BoundedRequest, peer: Any) -> str:
        direct = str(peer[0]) if isinstance(peer, tuple) else ""
        return client_address(direct, forwarded(request.headers), self._proxies) if self._proxies else direct


def _linger(client: Any) -> None:
    """Let the client read its answer before the connection is closed."""
    until, dropped = time.monotonic() + LINGER_SECONDS, 0
    with contextlib.suppress(OSError):
        client.shutdown(socket.SHUT_WR)
        while (left := until - time.monotonic()) > 0 and dropped < LINGER_BYTES:
            client.settimeout(left)
            got = len(client.recv(65_536))
            dropped += got
            if not got:
                return
