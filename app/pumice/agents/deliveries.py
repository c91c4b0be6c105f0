"""What happens to a webhook before its turn: which hook it reaches, whether it is genuine, whose it is, and its id.

Knows neither Flask nor Postgres: the front and `pumice.testing` ask these functions alike.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from pumice.agents.boundary import call_in_fresh_context
from pumice.agents.fingerprint import fingerprint
from pumice.agents.names import checked_key, checked_session_id, is_key
from pumice.agents.requests import Request
from pumice.agents.selectors import Selector
from pumice.agents.spec import AgentSpec, Hook
from pumice.errors import MethodNotAllowed, Overloaded, Problem, SelectorFailed, Unauthorized, UnknownHook

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

Caller: TypeAlias = Callable[[Selector, Request], Any]
"""Calls a selector and returns its value, awaited; the front's gives authors' code a limit and a place of its own."""


def call_here(selector: Selector, request: Request) -> Any:
    """Call a selector on this thread; an async one on a loop of its own. Raises whatever it raises, `TimeoutError`."""
    if not selector.is_async:
        return call_in_fresh_context(selector, request)

    async def limited() -> Any:
        return await asyncio.wait_for(selector(request), SELECTOR_TIMEOUT)

    return call_in_fresh_context(asyncio.run, limited())


def find_hook(spec: AgentSpec, name: str, method: str) -> Hook:
    """The agent's hook of this name, if it takes requests of this method.

    Raises `UnknownHook`, `MethodNotAllowed`.
    """
    hook = spec.hooks.get(name)
    if hook is None:
        raise UnknownHook(f"The agent {spec.id} has no hook {name[:127]!r}.")
    if method not in hook.methods:
        raise MethodNotAllowed(f"The hook takes {' and '.join(hook.methods)}.")
    return hook


def check_body(request: Request) -> None:
    """Refuse a body that says that it is JSON and is not. Raises `Malformed`, which gives line and column."""
    if request.is_json and request.body:
        _ = request.json


def verify(hook: Hook, request: Request, call: Caller = call_here) -> None:
    """Ask the hook's own `verify`, if it has one, whether the request is genuine. Raises `Unauthorized`."""
    if hook.verify is None:
        return
    try:
        verified = bool(call(hook.verify, request))
    except Overloaded:
        raise
    except BaseException as error:
        raise Unauthorized(f"The hook {hook.name} could not verify the request.") from error
    if not verified:
        raise Unauthorized(f"The hook {hook.name} refused the request.")


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

    header: looks up a header of the request by its name in lower case.
    Raises `SelectorFailed` when the hook's dedupe selector raised, `InvalidField` for a key that can't be stored.
    """
    source = f"hook:{hook.name}"
    key = header(IDEMPOTENCY_KEY)
    if key is not None:
        return source, checked_key(key, "Idempotency-Key")
    if hook.dedupe is not None:
        value = _selected(hook, hook.dedupe, "dedupe", request, call)
        return None if value is None else (source, checked_key(value, f"dedupe (from {hook.dedupe.name})"))
    for name in DELIVERY_HEADERS:
        value = (header(name) or "").strip()
        if is_key(value):
            return source, value
    return None


def body_fingerprint(request: Request, header: Callable[[str], str | None]) -> str | None:
    """What tells a body apart from another one under the same Idempotency-Key; None where no such key came.

    Senders that name their deliveries in another way may change a body when they repeat it.
    """
    return None if header(IDEMPOTENCY_KEY) is None else fingerprint(request.body)


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
        message = f"The {what} selector {selector.name} of the hook {hook.name} failed: {why}"
        raise SelectorFailed(message[:1000], hook=hook.name, selector=selector.name) from error
