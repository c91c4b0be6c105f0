"""What happens to a webhook before its turn: which hook it reaches, whether it is genuine, whose it is, and its id.

Knows neither Flask nor Postgres: the front and `pumice.testing` ask these functions alike.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from pumice.agents.fingerprint import fingerprint
from pumice.agents.names import checked_key, checked_session_id, is_key
from pumice.agents.requests import Request
from pumice.agents.selectors import Selector
from pumice.agents.spec import AgentSpec, Hook
from pumice.errors import MethodNotAllowed, Problem, SelectorFailed, Unauthorized, UnknownHook

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
"""Seconds that an async selector may take."""

_async_selectors = threading.Lock()


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


def verify(hook: Hook, request: Request) -> None:
    """Ask the hook's own `verify`, if it has one, whether the request is genuine. Raises `Unauthorized`."""
    if hook.verify is None:
        return
    try:
        verified = _select(hook.verify, request)
    except Exception as error:
        raise Unauthorized(f"The hook {hook.name} could not verify the request.") from error
    if not verified:
        raise Unauthorized(f"The hook {hook.name} refused the request.")


def select_session(hook: Hook, request: Request) -> str | None:
    """The id of the session that the hook's selector chose; None when it found none.

    Raises `SelectorFailed` when the selector raised, `InvalidField` when what it found is no session id.
    """
    try:
        value = _select(hook.session, request)
    except Exception as error:
        what = error.detail if isinstance(error, Problem) else f"{type(error).__name__}: {error}"
        message = f"The session selector {hook.session.name} of the hook {hook.name} failed: {what}"
        raise SelectorFailed(message[:1000], hook=hook.name, selector=hook.session.name) from error
    if value is None or value == "":
        return None
    return checked_session_id(value, f"session (from {hook.session.name})")


def dedupe_key(hook: Hook, request: Request, header: Callable[[str], str | None]) -> tuple[str, str] | None:
    """The source and the id by which a repeat of this delivery is recognised in its session; None for no id.

    header: looks up a header of the request by its name in lower case.
    Raises `SelectorFailed` when the hook's dedupe selector raised, `InvalidField` for a key that can't be stored.
    """
    source = f"hook:{hook.name}"
    key = header(IDEMPOTENCY_KEY)
    if key is not None:
        return source, checked_key(key, "Idempotency-Key")
    if hook.dedupe is not None:
        try:
            value = _select(hook.dedupe, request)
        except Exception as error:
            message = f"The dedupe selector {hook.dedupe.name} of the hook {hook.name} failed: {error}"
            raise SelectorFailed(message[:1000], hook=hook.name, selector=hook.dedupe.name) from error
        return None if value is None else (source, checked_key(str(value), f"dedupe (from {hook.dedupe.name})"))
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


def _select(selector: Selector, request: Request) -> Any:
    """A selector's value; an async one runs on a loop of its own, one at a time."""
    if not selector.is_async:
        return selector(request)

    async def limited() -> Any:
        return await asyncio.wait_for(selector(request), SELECTOR_TIMEOUT)

    with _async_selectors:
        return asyncio.run(limited())
