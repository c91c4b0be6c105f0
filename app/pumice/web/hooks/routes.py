"""`/v1/agents/<agent>/hooks/<name>`: webhooks, to the session that the hook's selector chooses."""

import time

from flask import Blueprint, Response, request

from pumice.agents.context import new_id
from pumice.agents.deliveries import (
    DELIVERY_HEADERS,
    IDEMPOTENCY_KEY,
    Caller,
    Wanted,
    admit,
    body_fingerprint,
    dedupe_key,
    event_seconds,
    find_hooks,
    hook_payload,
    select_session,
)
from pumice.agents.hook_groups import METHODS
from pumice.agents.requests import Request
from pumice.agents.sources import Received
from pumice.agents.spec import AgentSpec
from pumice.errors import Problem
from pumice.sessions.accept import NewInteraction, temporary_session_id
from pumice.web.hooks.answers import accepted_delivery, finished_delivery, handled_response, patience
from pumice.web.hooks.notes import Notes
from pumice.web.http.author_code import AuthorCode
from pumice.web.http.front import Front
from pumice.web.http.request_log import SESSION
from pumice.web.http.responses import accept_and_wait, prefers_async
from pumice.web.http.shortcuts import read_body, read_headers, read_path, read_query

VARIABLES = {name: "HTTP_" + name.upper().replace("-", "_") for name in (*DELIVERY_HEADERS, IDEMPOTENCY_KEY)}
"""The headers that name a delivery, as WSGI names them."""


def hooks_blueprint(front: Front) -> Blueprint:
    """The hook route."""
    blueprint = Blueprint("hooks", __name__)
    call = AuthorCode()

    @blueprint.route(
        "/v1/agents/<agent_id>/hooks/<name>",
        methods=[*METHODS, "HEAD", "OPTIONS"],
        provide_automatic_options=False,
    )
    def receive(agent_id: str, name: str) -> Response:
        spec = front.agent(agent_id)
        group = find_hooks(spec, name, request.method)  # before a body is read that nobody wants
        notes = Notes(front.deliveries, spec.id, name, group[0].source, _received(front))
        try:
            return _receive(front, spec, notes, call)
        except Problem as problem:
            notes.refused(problem)
            raise

    return blueprint


def _receive(front: Front, spec: AgentSpec, notes: Notes, call: Caller) -> Response:
    secrets = front.handed_secrets.lookup(spec.id, notes.hook, notes.source)
    found = admit(spec, notes.hook, notes.received, secrets, call)
    if isinstance(found, Wanted):
        return _deliver(front, spec, found, notes, call)
    if found.hands_over is not None:
        front.handed_secrets.hand_over(spec.id, notes.hook, found.hands_over)
    notes.handled(found)
    return handled_response(found)


def _received(front: Front) -> Received:
    """Flask's request in the form that sources, selectors and handlers see."""
    path = read_path(request)
    payload = {
        "method": request.method,
        "path": path,
        "query": read_query(request),
        "headers": read_headers(request),
    }
    return Received(Request.decode(payload, read_body(request)), _base(front.settings.public_url) + path, time.time())


def _base(public_url: str) -> str:
    """The address that senders call, up to its path: PUBLIC_URL or, where that is not set, what the request says."""
    if public_url:
        return public_url
    environ = request.environ
    scheme = str(environ.get("HTTP_X_FORWARDED_PROTO") or environ["wsgi.url_scheme"]).partition(",")[0].strip()
    return f"{scheme}://{environ.get('HTTP_HOST', '')}"


def _deliver(front: Front, spec: AgentSpec, wanted: Wanted, notes: Notes, call: Caller) -> Response:
    """Accept a request that a hook takes, and answer it as its sender wants."""
    hook, received = wanted.hook, wanted.request
    environ = request.environ

    def header(name: str) -> str | None:
        value: str | None = environ.get(VARIABLES[name])
        return value

    notes.event = received.event
    selected = select_session(hook, received, call)
    if selected is None and hook.selects:
        notes.unselected()
    at_once = hook.accepts or prefers_async()
    new = NewInteraction(
        id=new_id(),
        agent_id=spec.id,
        session_id=selected or temporary_session_id(),
        kind="hook",
        name=hook.name,
        payload=hook_payload(hook, received, selected),
        body=received.body or None,
        dedupe=dedupe_key(hook, received, header, call),
        unnamed=selected is None,
        fingerprint=body_fingerprint(hook, received, header),
        temporary=selected is None,
        reply_to=None if at_once else front.front_id,
        event_at=event_seconds(hook, received) if selected is not None else None,
    )
    environ[SESSION] = new.session_id
    front.new_sessions.check(spec.id, new.session_id, request.remote_addr or "", fresh=selected is None)
    if at_once:
        accepted = front.intake.accept(spec, new)
        notes.accepted(accepted, received)
        return accepted_delivery(hook, accepted)
    accepted, finished = accept_and_wait(front, spec, new, patience(hook, front.settings.reply_timeout))
    notes.accepted(accepted, received)
    return accepted_delivery(hook, accepted) if finished is None else finished_delivery(hook, finished)
