"""What happens to a webhook before its turn: is it genuine, a handshake, wanted; whose is it, and what is its id?

Knows neither Flask nor Postgres: the front and `pumice.testing` ask these functions alike.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pumice.agents.boundary import call_in_fresh_context
from pumice.agents.fingerprint import fingerprint
from pumice.agents.handlers import Hook
from pumice.agents.hook_groups import hook_for
from pumice.agents.json_text import dumps
from pumice.agents.names import checked_key, checked_session_id, is_key
from pumice.agents.requests import Request, Response
from pumice.agents.selectors import Selector
from pumice.agents.sources import Received, SecretError, SecretsOf, Source
from pumice.agents.spec import AgentSpec
from pumice.errors import (
    MethodNotAllowed,
    Overloaded,
    Problem,
    SecretMissing,
    SelectorFailed,
    Unauthorized,
    UnknownHook,
)

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
IDEMPOTENCY_KEY = "idempotency-key"
SELECTOR_TIMEOUT = 5.0
"""Seconds that a selector, `verify` or `dedupe` of an author's may take."""
ASKING = ("HEAD", "OPTIONS")
"""Methods by which senders look at an address; answered for any hook."""
ASKS_ORIGIN = "WebHook-Request-Origin"
ORIGIN = re.compile(r"[A-Za-z0-9.:_*-]{1,255}")
"""A host's name, as CloudEvents' senders have it."""
SECRET_RETRY = 60.0
"""Seconds after which a sender may ask again whether a secret is there."""

Caller: TypeAlias = Callable[[Selector, Request], Any]
"""Calls a selector and returns its value, awaited; the front's gives authors' code a limit and a place of its own."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A genuine request that a hook takes, with what its source found in it and without the secrets that it held."""

    hook: Hook
    request: Request


@dataclass(frozen=True, slots=True)
class Handled:
    """A request that is answered without a turn. status: `handshake`, or `filtered`, as deliveries are listed.

    hands_over: the secret that a handshake handed over.
    """

    status: str
    response: Response
    event: str | None = None
    hands_over: str | None = None


def call_here(selector: Selector, request: Request) -> Any:
    """Call a selector on this thread; an async one on a loop of its own. Raises whatever it raises, `TimeoutError`."""
    if not selector.is_async:
        return call_in_fresh_context(selector, request)

    async def limited() -> Any:
        return await asyncio.wait_for(selector(request), SELECTOR_TIMEOUT)

    return call_in_fresh_context(asyncio.run, limited())


def find_hooks(spec: AgentSpec, name: str, method: str) -> Sequence[Hook]:
    """The hooks of this address, which may take requests of this method or are asked by it. Nothing else is looked at.

    Raises `UnknownHook`, `MethodNotAllowed`.
    """
    group = spec.addresses.get(name)
    if not group:
        raise UnknownHook(f"The agent {spec.id} has no hook {name[:127]!r}.")
    source = group[0].source
    if not _takes(group, method) and method not in ASKING and not (source is not None and source.handshakes):
        raise _not_allowed(group)
    return group


def admit(
    spec: AgentSpec, name: str, received: Received, secrets_of: SecretsOf, call: Caller = call_here
) -> Wanted | Handled:
    """What a request to a hook's address is. Nothing of its body is parsed before its signature is verified.

    Raises `UnknownHook`, `MethodNotAllowed`, `Unauthorized`, and `SecretMissing` where nothing can be verified; without
    a source, `Malformed` for a body that says that it is JSON and is not.
    """
    request = received.request
    group = find_hooks(spec, name, request.method)
    source = group[0].source
    if (answered := _answered_for(group, request)) is not None:
        return answered
    if source is not None and (shaken := _shaken(source, received, secrets_of, is_signed=False)) is not None:
        return shaken
    if not _takes(group, request.method):
        raise _not_allowed(group)
    if source is None:
        hook = next(one for one in group if request.method in one.methods)
        _ask_author(hook, request, call)
        if request.is_json and request.body:
            _ = request.json  # nobody vouches for this body: what says that it is JSON, and is not, is a mistake
        return Wanted(hook, request)
    _verify(name, source, received, secrets_of)
    if (shaken := _shaken(source, received, secrets_of, is_signed=True)) is not None:
        return shaken
    event = source.event_of(request)
    chosen = hook_for([one for one in group if request.method in one.methods], event)
    if chosen is None:
        return Handled("filtered", Response({"ignored": event}, 200), event)
    _ask_author(chosen, request, call)
    return Wanted(chosen, _told(request, source, event))


def _takes(group: Sequence[Hook], method: str) -> bool:
    return method in group[0].methods or any(method in hook.methods for hook in group)


def _methods(group: Sequence[Hook]) -> list[str]:
    return list(dict.fromkeys(method for hook in group for method in hook.methods))


def _not_allowed(group: Sequence[Hook]) -> MethodNotAllowed:
    return MethodNotAllowed(f"The hook takes {' and '.join(_methods(group))}.")


def _answered_for(group: Sequence[Hook], request: Request) -> Handled | None:
    """Answer HEAD, by which senders look whether an address is there, and ask to be allowed, as CloudEvents does."""
    if request.method == "HEAD":
        return Handled("handshake", Response(None, 200))
    source = group[0].source
    if request.method != "OPTIONS" or (source is not None and source.handshakes):
        return None
    headers = {"Allow": ", ".join([*_methods(group), "HEAD", "OPTIONS"])}
    origin = request.headers.get(ASKS_ORIGIN, "")
    if source is None and ORIGIN.fullmatch(origin):
        headers["WebHook-Allowed-Origin"] = origin
        if "WebHook-Request-Rate" in request.headers:
            headers["WebHook-Allowed-Rate"] = "*"
    return Handled("handshake", Response(None, 200, headers))


def _shaken(source: Source, received: Received, secrets_of: SecretsOf, *, is_signed: bool) -> Handled | None:
    for handshake in source.handshakes:
        if handshake.is_signed is not is_signed:
            continue
        secrets = [one for variable in handshake.secrets or source.secrets for one in secrets_of(variable)]
        response = handshake.answer(received, secrets)
        if response is not None:
            over = handshake.hands_over(received) if handshake.hands_over else None
            return Handled("handshake", response, hands_over=over)
    return None


def _verify(name: str, source: Source, received: Received, secrets_of: SecretsOf) -> None:
    """Raise `Unauthorized` unless the request is genuine, `SecretMissing` where that can't be told."""
    secrets = source.secrets_from(secrets_of)
    if not secrets and source.secrets:
        raise SecretMissing(
            f"The hook {name} has no secret: {', '.join(source.secrets)} is missing or empty.", retry_after=SECRET_RETRY
        )
    try:
        refusal = source.scheme.refusal(received, secrets)
    except SecretError as error:
        message = f"The hook {name} has a wrong secret in {', '.join(source.secrets)}: {error}."
        raise SecretMissing(message, retry_after=SECRET_RETRY) from None
    except Problem as problem:
        refusal = f"it can't be read: {problem.detail}"
    if refusal is not None:
        raise Unauthorized(f"The hook {name} refused the request: {refusal}.")


def _ask_author(hook: Hook, request: Request, call: Caller) -> None:
    """Ask the hook's own `verify`, if it has one, whether the request is genuine. Raises `Unauthorized`."""
    if hook.verify is None:
        return
    try:
        verified = bool(call(hook.verify, request))
    except Overloaded:
        raise
    except BaseException as error:
        raise Unauthorized(f"The hook {hook.address} could not verify the request.") from error
    if not verified:
        raise Unauthorized(f"The hook {hook.address} refused the request.")


def _told(request: Request, source: Source, event: str | None) -> Request:
    """The request with what its source found, and without the headers that hold its secrets."""
    payload = request.encode() | {"event": event, "deliveryId": source.delivery_id_of(request), "source": source.name}
    secret = {one.lower() for one in source.scheme.secret_headers}
    if secret:
        payload["headers"] = [pair for pair in payload["headers"] if pair[0].lower() not in secret]
    told = Request.decode(payload, request.body)
    parsed = {name: value for name, value in vars(request).items() if name in {"json", "content", "_parsed", "text"}}
    vars(told).update(parsed)
    return told


def hook_payload(hook: Hook, request: Request, selected: str | None, replayed_from: str | None = None) -> str:
    """The payload of a delivery's interaction, as JSON.

    selected: the session that was selected. replayed_from: the id of the delivery that it repeats on request.
    """
    payload = request.encode()
    if selected is None and hook.selects:
        payload["unselected"] = True
    if replayed_from is not None:
        payload["replayedFrom"] = replayed_from
    return dumps(payload).decode()


def event_seconds(hook: Hook, request: Request) -> float | None:
    """When the event happened, in seconds since 1970, if the hook orders by that and its sender says it."""
    if not hook.by_event_time or hook.source is None:
        return None
    at = hook.source.time_of(request)
    return None if at is None else at.timestamp()


def select_session(hook: Hook, request: Request, call: Caller = call_here) -> str | None:
    """The id of the session that the hook's selector chose; None when it found none.

    Raises `SelectorFailed` when the selector raised, `InvalidField` when what it found is no session id.
    """
    value = _selected(hook, hook.session, "session", request, call)
    if value is None or (type(value) is str and not value):
        return None
    return checked_session_id(value, f"session (from {hook.session.name})")


def dedupe_key(
    hook: Hook, request: Request, header: Callable[[str], str | None], call: Caller = call_here
) -> tuple[str, str] | None:
    """The source and the id by which a repeat of this delivery is recognised in its session; None for no id.

    The hook's own `dedupe` says it, else its source, else an Idempotency-Key, else a header of a well-known sender.
    header: looks up a header of the request by its name in lower case.
    Raises `SelectorFailed` when the hook's dedupe selector raised, `InvalidField` for a key that can't be stored.
    """
    source = f"hook:{hook.address}"
    names_itself = hook.source is not None and hook.source.delivery_id is not None
    key = None if names_itself else header(IDEMPOTENCY_KEY)
    if key is not None:
        return source, checked_key(key, "Idempotency-Key")
    if hook.dedupe is not None:
        value = _selected(hook, hook.dedupe, "dedupe", request, call)
        return None if value is None else (source, checked_key(value, f"dedupe (from {hook.dedupe.name})"))
    if request.delivery_id is not None:
        return source, request.delivery_id
    for name in DELIVERY_HEADERS:
        value = (header(name) or "").strip()
        if is_key(value):
            return source, value
    return None


def body_fingerprint(hook: Hook, request: Request, header: Callable[[str], str | None]) -> str | None:
    """What tells a body apart from another one under the same Idempotency-Key; None where no such key came.

    Senders that name their deliveries in another way may change a body when they repeat it.
    """
    names_itself = hook.source is not None and hook.source.delivery_id is not None
    return None if names_itself or header(IDEMPOTENCY_KEY) is None else fingerprint(request.body)


def _selected(hook: Hook, selector: Selector, what: str, request: Request, call: Caller) -> Any:
    """What a selector found: None, a plain string, or for a session whatever else it gave.

    Raises `SelectorFailed`, which names the type of what was raised and not its text: anybody may see it.
    """
    try:
        value = call(selector, request)
        kept = value is None or (what == "session" and not isinstance(value, str))
        return value if kept else str(value)
    except Overloaded:
        raise
    except BaseException as error:
        why = error.detail if issubclass(type(error), Problem) and isinstance(error, Problem) else type(error).__name__
        message = f"The {what} selector {selector.name} of the hook {hook.address} failed: {why}"
        raise SelectorFailed(message[:1000], hook=hook.address, selector=selector.name) from error
