"""`/v1/agents/<agent>/hooks/<name>`: webhooks, to the session that the hook's selector chooses."""

import time

from flask import Blueprint, Response, request

from pumice.agents.context import new_id
from pumice.agents.deliveries import (
    DELIVERY_HEADERS,
    IDEMPOTENCY_KEY,
    Caller,
    Handled,
    Wanted,
    admit,
    body_fingerprint,
    dedupe_key,
    find_hooks,
    select_session,
)
from pumice.agents.hook_groups import METHODS
from pumice.agents.json_text import dumps
from pumice.agents.requests import Request
from pumice.agents.sources import Received
from pumice.agents.spec import AgentSpec
from pumice.sessions.accept import NewInteraction, temporary_session_id
from pumice.settings import secrets_of
from pumice.web.hooks.answers import accepted_delivery, finished_delivery, handled_response, patience
from pumice.web.hooks.author_code import AuthorCode
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
        find_hooks(spec, name, request.method)  # before a body is read that nobody wants
        found = admit(spec, name, _received(front), secrets_of, call)
        return handled_response(found) if isinstance(found, Handled) else _deliver(front, spec, found, call)

    return blueprint


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


def _deliver(front: Front, spec: AgentSpec, wanted: Wanted, call: Caller) -> Response:
    """Accept a request that a hook takes, and answer it as its sender wants."""
    hook, received = wanted.hook, wanted.request
    selected = select_session(hook, received, call)
    at_once = hook.accepts or prefers_async()
    new = NewInteraction(
        id=new_id(),
        agent_id=spec.id,
        session_id=selected or temporary_session_id(),
        kind="hook",
        name=hook.name,
        payload=dumps(received.encode()).decode(),
        body=received.body or None,
        dedupe=dedupe_key(hook, received, _header, call),
        unnamed=selected is None,
        fingerprint=body_fingerprint(hook, received, _header),
        temporary=selected is None,
        reply_to=None if at_once else front.front_id,
    )
    request.environ[SESSION] = new.session_id
    front.new_sessions.check(spec.id, new.session_id, request.remote_addr or "", fresh=selected is None)
    if at_once:
        accepted = front.intake.accept(spec, new)
        return accepted_delivery(hook, accepted)
    accepted, finished = accept_and_wait(front, spec, new, patience(hook, front.settings.reply_timeout))
    return accepted_delivery(hook, accepted) if finished is None else finished_delivery(hook, finished)


def _header(name: str) -> str | None:
    """A header of Flask's request that names a delivery."""
    value: str | None = request.environ.get(VARIABLES[name])
    return value
