"""`POST /v1/chat` and `POST /v1/agents/<agent>/chat`: JSON, server-sent events, or 202.

A request for a stream that comes with `Last-Event-ID` is a client that reconnects, as fetch-event-source does: it goes
on with the chat that it began, and nothing runs again.
"""

from typing import Any

from flask import Blueprint, Response, request

from pumice.agents.chats import CHAT_SOURCE, chat_payload
from pumice.agents.context import new_id
from pumice.agents.fingerprint import json_fingerprint
from pumice.agents.spec import AgentSpec
from pumice.sessions.accept import NewInteraction
from pumice.web.http.auth import Key
from pumice.web.http.cursors import read_cursor
from pumice.web.http.front import Front
from pumice.web.http.request_fields import chosen_session, given_key, idempotency_key, json_object, named_session
from pumice.web.http.request_log import SESSION
from pumice.web.http.responses import accept_and_wait, accepted_response, chat_response, prefers_async
from pumice.web.http.tokens import given_token, granted
from pumice.web.streams.frames import asks_for_stream
from pumice.web.streams.sse import resume_chat, stream_chat


def chat_blueprint(front: Front) -> Blueprint:
    """The chat routes."""
    blueprint = Blueprint("chat", __name__)

    @blueprint.post("/v1/chat")
    def chat() -> Response:
        key, body = _key_and_body(front, None)
        return _chat(front, front.agent(key.agent_id), key, body)

    @blueprint.post("/v1/agents/<agent_id>/chat")
    def chat_with(agent_id: str) -> Response:
        spec = front.agent(agent_id)
        key, body = _key_and_body(front, agent_id)
        return _chat(front, spec, key, body)

    return blueprint


def _key_and_body(front: Front, agent_id: str | None) -> tuple[Key, dict[str, Any]]:
    """The key, checked before the body is read unless it is in there."""
    given, address = given_key(request), request.remote_addr or ""
    if given is not None:
        return front.keys.check(given, address, agent_id=agent_id), json_object(request)
    body = json_object(request)
    return front.keys.check(given_key(request, body), address, agent_id=agent_id), body


def _chat(front: Front, spec: AgentSpec, key: Key, body: dict[str, Any]) -> Response:
    grant = granted(front.settings, spec, key, given_token(request, body))
    named = named_session(request, body)
    if asks_for_stream() and (cursor := read_cursor(request.headers.get("last-event-id"))) is not None:
        return resume_chat(front, spec, cursor, named, given_key(request, body) or "", grant)
    payload = chat_payload(spec, body, secret=key.kind == "secret")
    session_id, temporary = chosen_session(request, body, grant.session_id)
    unnamed = named is None and grant.session_id is None
    repeat_key = idempotency_key(request)
    trusted = key.kind == "secret"
    front.new_sessions.check(spec.id, session_id, request.remote_addr or "", fresh=unnamed, trusted=trusted)
    wanted = NewInteraction(
        id=new_id(),
        agent_id=spec.id,
        session_id=session_id,
        kind="chat",
        name=None,
        payload=payload,
        dedupe=(CHAT_SOURCE, repeat_key) if repeat_key else None,
        unnamed=unnamed,
        fingerprint=json_fingerprint(payload) if repeat_key else None,
        temporary=temporary,
        reply_to=None if prefers_async() else front.front_id,
    )
    request.environ[SESSION] = session_id
    if asks_for_stream():
        return stream_chat(front, spec, wanted, given_key(request, body) or "", grant)
    if prefers_async():
        accepted = front.intake.accept(spec, wanted)
        return accepted_response(accepted.id, accepted.session_id)
    accepted, finished = accept_and_wait(front, spec, wanted)
    if finished is None:
        return accepted_response(accepted.id, accepted.session_id)
    return chat_response(finished, accepted.session_id)
