"""One socket on one session: who may open it, what it is sent, and what it sends."""

import time
from collections.abc import Mapping

from flask import request
from simple_websocket import ConnectionClosed

from pumice.agents.context import new_id
from pumice.errors import Forbidden, Problem, TooMany
from pumice.logs import get_logger
from pumice.sessions.accept import NewInteraction, ensure_session
from pumice.web.http.cors import Origins
from pumice.web.http.cursors import read_cursor
from pumice.web.http.event_log import UnusableCursorError
from pumice.web.http.front import Front
from pumice.web.http.problems import as_problem
from pumice.web.http.request_fields import chosen_session
from pumice.web.http.stopping_turns import stop_turns
from pumice.web.http.tokens import granted
from pumice.web.http.watch import GapError
from pumice.web.sockets.connection import CLOSE_SLOW, Connection
from pumice.web.sockets.frames import STOP, read_frame
from pumice.web.streams.session_stream import SaidOnce
from pumice.web.streams.stream_end import StreamEnds

CLOSE_KEY, CLOSE_FAILED = 4401, 1011
REFUSED_PAUSE = 0.05
"""Seconds for which nothing is read from a socket after a frame that was refused: a flood of them costs little."""

log = get_logger("pumice.sockets")


class SocketSession:
    """One socket on one session: takes its frames until it closes."""

    def __init__(self, front: Front, connection: Connection, parameters: Mapping[str, str]) -> None:
        """Raises `Problem` for a socket that may not be opened."""
        self._front = front
        self._connection = connection
        self._said = SaidOnce()
        self._stream_ends = StreamEnds(front.replies, front.late, self._deliver, connection.queue_own)
        if not Origins(front.settings.allowed_origins).allow(request.headers.get("origin")):
            raise Forbidden("Sockets from this origin are not allowed.")
        self._last_event_id = parameters.get("lastEventId")
        agent_id = parameters.get("agentId")
        spec = None if agent_id is None else front.agent(agent_id)
        self._key = parameters.get("apiKey", "")
        key = front.keys.check(self._key, request.remote_addr or "", agent_id=agent_id)
        self._spec = spec or front.agent(key.agent_id)
        self._grant = granted(front.settings, self._spec, key, parameters.get("sessionToken"))
        self._session_id, self._temporary = chosen_session(request, parameters, self._grant.session_id)
        self._is_fresh = self._temporary and self._grant.session_id is None and "sessionId" not in parameters
        self._secret = key.kind == "secret"

    def run(self) -> None:
        """Serve the socket."""
        ttl = self._front.settings.temporary_ttl if self._temporary else None
        self._front.new_sessions.check(
            self._spec.id,
            self._session_id,
            request.remote_addr or "",
            fresh=self._is_fresh,
            trusted=self._secret,
        )
        with self._front.connections.borrow() as store:
            ensure_session(store, self._spec.id, self._session_id, temporary_ttl=ttl)
        connection, front = self._connection, self._front
        watch = front.subscriber.watch(self._spec.id, self._session_id, self._stream_ends.take, self._fail)
        newest, cursor = watch.cursor, read_cursor(self._last_event_id)
        after = cursor.position if cursor is not None else None
        connection.sent = after or newest
        try:
            with front.streams.holding(self._key, self._grant.expires, self._end):
                connection.send_own({"type": "session", "sessionId": self._session_id, "agentId": self._spec.id})
                try:
                    for event_id, event in watch.missed(cursor):
                        self._send_missed(event_id, event)
                except UnusableCursorError as error:
                    connection.sent = newest if connection.sent == after else connection.sent
                    connection.send_own({"type": "error", "error": error.document()})
                except GapError:
                    connection.close(CLOSE_SLOW, "too slow")
                connection.serve(self._take)
        except ConnectionClosed:
            log.debug("socket_closed", session=self._session_id)
        finally:
            front.subscriber.forget(watch)
            self._stream_ends.close()

    def _send_missed(self, event_id: str, event: bytes) -> None:
        if self._said.lets_through(event):
            self._connection.send_event(event_id, event)

    def _deliver(self, event_id: str, event: bytes) -> None:
        if self._said.lets_through(event):
            self._connection.deliver(event_id, event)

    def _take(self, frame: str | bytes) -> None:
        try:
            read = read_frame(self._spec, frame, secret=self._secret)
            if read.kind == STOP:
                stop_turns(self._front, self._spec.id, self._session_id)
            else:
                self._accept(read.kind, read.payload)
        except Exception as error:
            if isinstance(error, ConnectionClosed):
                raise
            self._connection.send_own({"type": "error", "error": as_problem(error).document()})
            time.sleep(REFUSED_PAUSE)

    def _accept(self, kind: str, payload: str) -> None:
        limit = self._front.settings.socket_queue_limit
        if len(self._stream_ends) >= limit:
            raise TooMany(f"{limit} of this socket's interactions are unanswered.", retry_after=1)
        wanted = NewInteraction(
            new_id(), self._spec.id, self._session_id, kind, None, payload, temporary=self._temporary
        )
        with self._connection.held_back():
            self._stream_ends.expect(wanted.id)
            try:
                self._front.intake.accept(self._spec, wanted)
            except BaseException:
                self._stream_ends.forget(wanted.id)
                raise
            self._connection.send_own({"type": "accepted", "interactionId": wanted.id, "kind": kind})

    def _end(self, problem: Problem) -> None:
        """What allowed the socket does so no more."""
        self._connection.queue_own({"type": "error", "error": problem.document()})
        self._connection.close(CLOSE_KEY, problem.slug)

    def _fail(self) -> None:
        """An event could not be delivered: the client comes back for it."""
        self._connection.close(CLOSE_FAILED, "internal")
