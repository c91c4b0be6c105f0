"""`GET, POST /v1/agents/<agent>/hooks/<name>`: webhooks, to the session that the hook's selector chooses."""

import asyncio
import threading
from typing import Any

import orjson
from flask import Blueprint, Response, request

from pumice.agents.context import new_id
from pumice.agents.names import checked_session_id
from pumice.agents.requests import Request
from pumice.agents.selectors import Selector
from pumice.agents.spec import AgentSpec, Hook
from pumice.errors import MethodNotAllowed, Problem, SelectorFailed, Unauthorized, UnknownHook
from pumice.sessions.accept import NewInteraction, temporary_session_id
from pumice.web.http.front import Front
from pumice.web.http.request_fields import KEY_LIMIT, checked_key, idempotency_key
from pumice.web.http.responses import accept_and_wait, accepted_response, hook_response, prefers_async
from pumice.web.http.shortcuts import read_body, read_headers, read_path, read_query

DELIVERY_HEADERS = (
    "x-github-delivery",
    "x-gitlab-event-uuid",
    "x-shopify-webhook-id",
    "webhook-id",
    "svix-id",
    "x-request-uuid",
    "x-delivery-id",
)
"""Headers in which well-known senders name a delivery; a repeated delivery has the same."""
DELIVERY_VARIABLES = tuple("HTTP_" + name.upper().replace("-", "_") for name in DELIVERY_HEADERS)
"""The same as WSGI names them."""
SELECTOR_TIMEOUT = 5.0

_async_selectors = threading.Lock()


def hooks_blueprint(front: Front) -> Blueprint:
    """The hook route."""
    blueprint = Blueprint("hooks", __name__)

    @blueprint.route("/v1/agents/<agent_id>/hooks/<name>", methods=["GET", "POST"])
    def receive(agent_id: str, name: str) -> Response:
        spec = front.agent(agent_id)
        hook = spec.hooks.get(name)
        if hook is None:
            raise UnknownHook(f"The agent {spec.id} has no hook {name[:127]!r}.")
        if request.method not in hook.methods:
            raise MethodNotAllowed(f"The hook takes {' and '.join(hook.methods)}.")
        return _receive(front, spec, hook, _frozen())

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
    if frozen.is_json and frozen.body:
        _ = frozen.json
    return frozen


def _receive(front: Front, spec: AgentSpec, hook: Hook, frozen: Request) -> Response:
    if hook.verify is not None:
        _verify(hook, hook.verify, frozen)
    session_id, temporary = _session(hook, frozen)
    at_once = hook.accepts or prefers_async()
    wanted = NewInteraction(
        id=new_id(),
        agent_id=spec.id,
        session_id=session_id,
        kind="hook",
        name=hook.name,
        payload=orjson.dumps(frozen.encode()).decode(),
        body=frozen.body or None,
        dedupe=_delivery(hook, frozen),
        temporary=temporary,
        reply_to=None if at_once else front.front_id,
    )
    if at_once:
        accepted = front.intake.accept(spec, wanted)
        return accepted_response(accepted.id, accepted.session_id)
    accepted, finished = accept_and_wait(front, spec, wanted)
    return accepted_response(accepted.id, accepted.session_id) if finished is None else hook_response(finished)


def _select(selector: Selector, frozen: Request) -> Any:
    """A selector's value; an async one runs on a loop of its own, one at a time."""
    if not selector.is_async:
        return selector(frozen)

    async def limited() -> Any:
        return await asyncio.wait_for(selector(frozen), SELECTOR_TIMEOUT)

    with _async_selectors:
        return asyncio.run(limited())


def _verify(hook: Hook, verify: Selector, frozen: Request) -> None:
    try:
        verified = _select(verify, frozen)
    except Exception as error:
        message = f"The hook {hook.name} could not verify the request."
        raise Unauthorized(message) from error
    if not verified:
        message = f"The hook {hook.name} refused the request."
        raise Unauthorized(message)


def _session(hook: Hook, frozen: Request) -> tuple[str, bool]:
    """The session that the selector chose, or a new temporary one; and whether it is one."""
    try:
        value = _select(hook.session, frozen)
    except Exception as error:
        what = error.detail if isinstance(error, Problem) else f"{type(error).__name__}: {error}"
        message = f"The session selector {hook.session.name} of the hook {hook.name} failed: {what}"
        raise SelectorFailed(message[:1000], hook=hook.name, selector=hook.session.name) from error
    if value is None or value == "":
        return temporary_session_id(), True
    return checked_session_id(value, f"session (from {hook.session.name})"), False


def _delivery(hook: Hook, frozen: Request) -> tuple[str, str] | None:
    """The delivery's source and id, by which a repeat is recognised."""
    source = f"hook:{hook.name}"
    key = idempotency_key(request)
    if key is not None:
        return source, key
    if hook.dedupe is not None:
        try:
            value = _select(hook.dedupe, frozen)
        except Exception as error:
            message = f"The dedupe selector {hook.dedupe.name} of the hook {hook.name} failed: {error}"
            raise SelectorFailed(message[:1000], hook=hook.name, selector=hook.dedupe.name) from error
        return None if value is None else (source, checked_key(str(value), f"dedupe (from {hook.dedupe.name})"))
    environ = request.environ
    for name in DELIVERY_VARIABLES:
        value = environ.get(name, "").strip()
        if value and len(value) <= KEY_LIMIT and value.isprintable():
            return source, value
    return None
