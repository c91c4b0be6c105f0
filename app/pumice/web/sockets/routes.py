"""WebSockets (RFC 6455): chats and custom frames in, a session's events out. Their frames are in docs/interfaces.md."""

import contextlib
from collections.abc import Iterator

from flask import Flask, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server

from pumice.errors import Forbidden, InvalidField, Problem, StoreAway, TooMany, Unauthorized, UnknownAgent
from pumice.logs import get_logger
from pumice.web.http.front import Front
from pumice.web.http.paths import restored
from pumice.web.http.problems import as_problem
from pumice.web.http.request_fields import given_key
from pumice.web.http.tokens import given_token
from pumice.web.sockets.connection import Connection, OpenSockets
from pumice.web.sockets.handshake import after_handshake
from pumice.web.sockets.lean_server import SERVER_OPTIONS
from pumice.web.sockets.session import CLOSE_FAILED, CLOSE_KEY, SocketSession

CLOSE_AGENT, CLOSE_ORIGIN, CLOSE_INVALID, CLOSE_LATER = 4404, 4403, 4400, 1013
PARAMETERS = {"agentid": "agentId", "agent_id": "agentId", "apikey": "apiKey", "api_key": "apiKey",
              "sessionid": "sessionId", "session_id": "sessionId", "lasteventid": "lastEventId",
              "sessiontoken": "sessionToken", "session_token": "sessionToken"}  # fmt: skip
OFFERED = {"api-key": "apiKey", "session-token": "sessionToken"}
"""What a page may offer as `<name>.<value>` among its subprotocols, beside `pumice`."""

log = get_logger("pumice.sockets")


def register_sockets(app: Flask, front: Front, sockets: OpenSockets) -> None:
    """Serve the WebSocket addresses of this Flask app."""
    app.config["SOCK_SERVER_OPTIONS"] = {
        "ping_interval": front.settings.ping_interval,
        "max_message_size": front.settings.frame_limit,
        **SERVER_OPTIONS,
    }
    sock = Sock(app)

    def serve(ws: Server, rest: str = "") -> None:
        connection = Connection(ws, front.backlog, front.writes)
        with sockets.holding(connection):
            try:
                SocketSession(front, connection, _parameters(rest)).run()
            except ConnectionClosed:
                log.debug("socket_closed")
            except Exception as error:
                problem = as_problem(error)
                with contextlib.suppress(ConnectionClosed):
                    connection.send_own({"type": "error", "error": problem.document()})
                connection.refuse(_close_code(problem), problem.slug)

    sock.route("/v1", endpoint="serve")(serve)
    sock.route("/v1/<path:rest>", endpoint="serve_path")(serve)
    for endpoint in ("serve", "serve_path"):
        app.view_functions[endpoint] = after_handshake(app.view_functions[endpoint])


def _parameters(rest: str) -> dict[str, str]:
    """What the address says, in path (`agentId=…/apiKey=…` or just the agent) and query."""
    found: dict[str, str] = {}
    for part in filter(None, rest.split("/")):
        name, equals, value = part.partition("=")
        if not equals:
            found.setdefault("agentId", restored(part))
        elif name.lower() in PARAMETERS:
            found[PARAMETERS[name.lower()]] = restored(value)
    for name, value in request.args.items():
        if name.lower() in PARAMETERS:
            found[PARAMETERS[name.lower()]] = value
    for name, value in _offered():
        found.setdefault(name, value)
    if "apiKey" not in found and (key := given_key(request)):
        found["apiKey"] = key
    if "sessionToken" not in found and (token := given_token(request)):
        found["sessionToken"] = token
    return found


def _offered() -> Iterator[tuple[str, str]]:
    """What the offered subprotocols say: a page can set no headers, and an address is written into logs."""
    for offered in request.headers.get("sec-websocket-protocol", "").split(","):
        name, _, value = offered.strip().partition(".")
        if value and name in OFFERED:
            yield OFFERED[name], value


def _close_code(problem: Problem) -> int:
    codes: list[tuple[type[Problem], int]] = [
        (Unauthorized, CLOSE_KEY),
        (UnknownAgent, CLOSE_AGENT),
        (Forbidden, CLOSE_ORIGIN),
        (InvalidField, CLOSE_INVALID),
        (StoreAway, CLOSE_LATER),
        (TooMany, CLOSE_LATER),
    ]
    return next((code for kind, code in codes if isinstance(problem, kind)), CLOSE_FAILED)
