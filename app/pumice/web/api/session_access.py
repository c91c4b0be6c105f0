"""What a page may do with one session, with a public key and a session token: watch it, read its messages, stop it."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, request

from pumice.agents.messages import shown_fields
from pumice.agents.names import RESERVED_PREFIX
from pumice.agents.spec import AgentSpec
from pumice.errors import UnknownSession
from pumice.sessions import queries
from pumice.sessions.conversation import read_after
from pumice.sessions.points import resolve
from pumice.web.http.cursors import read_cursor
from pumice.web.http.front import Front
from pumice.web.http.managing import authorised, page_limit, page_number
from pumice.web.http.request_fields import given_key, given_point
from pumice.web.http.responses import json_response
from pumice.web.http.stopping_turns import stop_turns
from pumice.web.http.tokens import Grant, given_token, granted
from pumice.web.streams.frames import given_cursor
from pumice.web.streams.sse import stream_session


def session_access_blueprint(front: Front) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("session_access", __name__, url_prefix="/v1/agents/<agent_id>/sessions/<session_id>")

    @blueprint.get("/events")
    def events(agent_id: str, session_id: str) -> Response:
        spec, grant = _admitted(front, agent_id, session_id)
        _check_exists(front, spec, session_id)
        if request.method == "HEAD":
            return Response(mimetype="text/event-stream")
        cursor = read_cursor(given_cursor())
        return stream_session(front, spec, session_id, cursor, given_key(request) or "", grant)

    @blueprint.get("/messages")
    def messages(agent_id: str, session_id: str) -> Response:
        is_now = "at" not in request.args
        spec = _admitted(front, agent_id, session_id, always=True)[0] if is_now else authorised(front, agent_id)
        at = given_point(request, "at")
        _check_exists(front, spec, session_id)
        limit, after = page_limit(), page_number("cursor", -1, 2**31 - 1)
        rows: Sequence[Any]
        if at is not None:
            with front.connections.borrow() as store:
                point = resolve(store, spec.id, session_id, at, read=False)
                rows = read_after(store, spec.id, point.session_id, point.parts, after=after, limit=limit)
        else:
            rows = queries.list_messages(front.engine, spec.id, session_id, after=after, limit=limit)
        following = str(rows[-1].seq) if len(rows) == limit else None
        return json_response({"messages": [message_document(row) for row in rows], "nextCursor": following})

    @blueprint.post("/stop")
    def stop(agent_id: str, session_id: str) -> Response:
        spec, _ = _admitted(front, agent_id, session_id)
        return json_response({"cancelled": stop_turns(front, spec.id, session_id)})

    return blueprint


def _admitted(front: Front, agent_id: str, session_id: str, *, always: bool = False) -> tuple[AgentSpec, Grant]:
    """The agent, for a client that may reach this session. always: with a public key only by a session token.

    Raises `UnknownAgent`, `Unauthorized`, `Forbidden`, and `UnknownSession` for one of Pumice's own.
    """
    spec = front.agent(agent_id)
    key = front.keys.check(given_key(request), request.remote_addr or "", agent_id=agent_id)
    grant = granted(front.settings, spec, key, given_token(request), always=always)
    grant.check(session_id)
    if key.kind != "secret" and session_id.startswith(RESERVED_PREFIX):
        raise UnknownSession
    return spec, grant


def _check_exists(front: Front, spec: AgentSpec, session_id: str) -> None:
    """Raise `UnknownSession` for a session that is not there: looking at one makes none."""
    if "\x00" in session_id or queries.get_session(front.engine, spec.id, session_id) is None:
        raise UnknownSession


def message_document(row: Any) -> dict[str, Any]:
    """A message as clients see it."""
    interrupted = {"interrupted": True} if (row.data or {}).get("interrupted") else {}
    return interrupted | {
        "seq": row.seq,
        "role": row.role,
        "content": row.content,
        **shown_fields(row.data),
        "interactionId": str(row.interaction_id),
        "createdAt": row.created_at.isoformat(),
    }
