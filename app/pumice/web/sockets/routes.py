"""WebSockets (RFC 6455): chats and custom frames in, a session's events out. Their frames are in docs/interfaces.md."""

import contextlib
from typing import Any

import orjson
from flask import Flask, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server

from pumice.agents.chats import chat_payload
from pumice.agents.context import new_id, to_json
from pumice.agents.spec import AgentSpec
from pumice.errors import Forbidden, InvalidField, Malformed, Problem, StoreAway, TooMany, Unauthorized, UnknownAgent
from pumice.logs import get_logger
from pumice.sessions.accept import NewInteraction, ensure_session
from pumice.web.http.front import Front
from pumice.web.http.paths import restored
from pumice.web.http.problems import as_problem
from pumice.web.http.request_fields import chosen_session
from pumice.web.http.subscriber import UnusableCursorError, is_cursor, read_cursor
from pumice.web.http.tokens import token_session
from pumice.web.sockets.connection import SERVER_OPTIONS, Connection, OpenSockets
from pumice.web.sockets.handshake import after_handshake
from pumice.web.streams.stream_end import StreamEnds

CLOSE_KEY, CLOSE_AGENT, CLOSE_ORIGIN, CLOSE_INVALID, CLOSE_LATER, CLOSE_FAILED = 4401, 4404, 4403, 4400, 1013, 1011
PARAMETERS = {"agentid": "agentId", "agent_id": "agentId", "apikey": "apiKey", "api_key": "apiKey",
              "sessionid": "sessionId", "session_id": "sessionId", "lasteventid": "lastEventId",
              "sessiontoken": "sessionToken", "session_token": "sessionToken"}  # fmt: skip

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
        connection = Connection(ws)
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
    if "apiKey" not in found and (key := request.headers.get("x-api-key")):
        found["apiKey"] = key
    return found


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


class SocketSession:
    """One socket on one session: takes its frames until it closes."""

    def __init__(self, front: Front, connection: Connection, parameters: dict[str, str]) -> None:
        self._front = front
        self._connection = connection
        self._stream_ends = StreamEnds(front.replies, connection.deliver, connection.queue_own)
        self._check_origin()
        self._last_event_id = parameters.get("lastEventId")
        agent_id = parameters.get("agentId")
        spec = None if agent_id is None else front.agent(agent_id)
        key = front.keys.check(parameters.get("apiKey"), request.remote_addr or "", agent_id=agent_id)
        self._spec = spec or front.agent(key.agent_id)
        self._secret = key.kind == "secret"
        only = token_session(front.settings, self._spec, key, parameters.get("sessionToken"))
        self._session_id, self._temporary = chosen_session(request, parameters, only)
        self._trusted = key.kind == "secret"

    def _check_origin(self) -> None:
        allowed = self._front.settings.allowed_origins
        origin = request.headers.get("origin")
        if allowed != "*" and origin is not None and origin not in {one.strip() for one in allowed.split(",")}:
            message = "Sockets from this origin are not allowed."
            raise Forbidden(message)

    def run(self) -> None:
        """Serve the socket."""
        ttl = self._front.settings.temporary_ttl if self._temporary else None
        address = request.remote_addr or ""
        new_sessions, trusted = self._front.new_sessions, self._trusted
        new_sessions.check(self._spec.id, self._session_id, address, fresh=self._temporary, trusted=trusted)
        with self._front.connections.borrow() as store:
            ensure_session(store, self._spec.id, self._session_id, temporary_ttl=ttl)
        connection = self._connection
        watch = self._front.subscriber.watch(self._spec.id, self._session_id, self._stream_ends.take)
        newest, after = watch.cursor, read_cursor(self._last_event_id)
        connection.sent = after if after is not None and is_cursor(after) else newest
        try:
            connection.send_own({"type": "session", "sessionId": self._session_id, "agentId": self._spec.id})
            try:
                watch.go_live(after)
            except UnusableCursorError as error:
                connection.sent = newest if connection.sent == after else connection.sent
                connection.send_own({"type": "error", "error": error.document()})
            connection.serve(self._take)
        except ConnectionClosed:
            log.debug("socket_closed", session=self._session_id)
        finally:
            watch.close()
            self._stream_ends.close()

    def _take(self, frame: str | bytes) -> None:
        try:
            kind, payload = read_frame(self._spec, frame, secret=self._secret)
            wanted = NewInteraction(
                new_id(), self._spec.id, self._session_id, kind, None, payload, temporary=self._temporary
            )
            with self._connection.held_back():
                accepted = self._front.intake.accept(self._spec, wanted)
                self._stream_ends.expect(accepted.id)
                self._connection.send_own({"type": "accepted", "interactionId": accepted.id, "kind": kind})
        except Exception as error:
            if isinstance(error, ConnectionClosed):
                raise
            self._connection.send_own({"type": "error", "error": as_problem(error).document()})


def read_frame(spec: AgentSpec, frame: str | bytes, *, secret: bool = False) -> tuple[str, str]:
    """A frame's interaction kind and payload. Raises `Problem` for what can't be read."""
    if isinstance(frame, bytes):
        try:
            frame = frame.decode()
        except UnicodeDecodeError:
            message = "a binary frame must hold UTF-8 text"
            raise Malformed(message) from None
    value: Any = frame
    if frame.lstrip()[:1] in {"{", "["}:
        try:
            value = orjson.loads(frame)
        except orjson.JSONDecodeError as error:
            if frame.lstrip()[:2] in {'{"', "{}"}:
                message = f"the frame is not JSON: {error.msg}"
                raise Malformed(message, position=error.pos) from None
    if isinstance(value, str):
        return "chat", chat_payload(spec, {"messages": [{"role": "user", "content": value}]})
    if isinstance(value, dict) and value.get("type") == "chat":
        return "chat", chat_payload(spec, value, secret=secret)
    if isinstance(value, dict) and "type" not in value and "role" in value and "content" in value:
        return "chat", chat_payload(spec, {"messages": [value]}, secret=secret)
    return "socket", to_json({"data": value}, "the frame")
