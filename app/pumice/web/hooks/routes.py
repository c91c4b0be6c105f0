"""`GET, POST /v1/agents/<agent>/hooks/<name>`: webhooks, to the session that the hook's selector chooses."""

from flask import Blueprint, Response, request

from pumice.agents.context import new_id
from pumice.agents.deliveries import (
    DELIVERY_HEADERS,
    IDEMPOTENCY_KEY,
    Caller,
    body_fingerprint,
    check_body,
    dedupe_key,
    find_hook,
    select_session,
    verify,
)
from pumice.agents.json_text import dumps
from pumice.agents.requests import Request
from pumice.agents.spec import AgentSpec, Hook
from pumice.sessions.accept import NewInteraction, temporary_session_id
from pumice.web.hooks.author_code import AuthorCode
from pumice.web.http.front import Front
from pumice.web.http.request_log import SESSION
from pumice.web.http.responses import accept_and_wait, accepted_response, hook_response, prefers_async
from pumice.web.http.shortcuts import read_body, read_headers, read_path, read_query

VARIABLES = {name: "HTTP_" + name.upper().replace("-", "_") for name in (*DELIVERY_HEADERS, IDEMPOTENCY_KEY)}
"""The headers that name a delivery, as WSGI names them."""


def hooks_blueprint(front: Front) -> Blueprint:
    """The hook route."""
    blueprint = Blueprint("hooks", __name__)
    call = AuthorCode()

    @blueprint.route("/v1/agents/<agent_id>/hooks/<name>", methods=["GET", "POST"])
    def receive(agent_id: str, name: str) -> Response:
        spec = front.agent(agent_id)
        return _receive(front, spec, find_hook(spec, name, request.method), _frozen(), call)

    return blueprint


def _frozen() -> Request:
    """Flask's request in the form that selectors and handlers see."""
    payload = {
        "method": request.method,
        "path": read_path(request),
        "query": read_query(request),
        "headers": read_headers(request),
    }
    frozen = Request.decode(payload, read_body(request))
    check_body(frozen)
    return frozen


def _receive(front: Front, spec: AgentSpec, hook: Hook, frozen: Request, call: Caller) -> Response:
    verify(hook, frozen, call)
    selected = select_session(hook, frozen, call)
    at_once = hook.accepts or prefers_async()
    wanted = NewInteraction(
        id=new_id(),
        agent_id=spec.id,
        session_id=selected or temporary_session_id(),
        kind="hook",
        name=hook.name,
        payload=dumps(frozen.encode()).decode(),
        body=frozen.body or None,
        dedupe=dedupe_key(hook, frozen, _header, call),
        unnamed=selected is None,
        fingerprint=body_fingerprint(frozen, _header),
        temporary=selected is None,
        reply_to=None if at_once else front.front_id,
    )
    request.environ[SESSION] = wanted.session_id
    front.new_sessions.check(spec.id, wanted.session_id, request.remote_addr or "", fresh=selected is None)
    if at_once:
        accepted = front.intake.accept(spec, wanted)
        return accepted_response(accepted.id, accepted.session_id)
    accepted, finished = accept_and_wait(front, spec, wanted)
    return accepted_response(accepted.id, accepted.session_id) if finished is None else hook_response(finished)


def _header(name: str) -> str | None:
    """A header of Flask's request that names a delivery."""
    value: str | None = request.environ.get(VARIABLES[name])
    return value
