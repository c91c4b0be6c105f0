"""An agent's hooks: each as it was declared, and those that share an address, told apart by their events."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pumice.agents.declare import HookMark
from pumice.agents.handlers import Handler, Hook, checked_policy
from pumice.agents.json_text import loads
from pumice.agents.names import HOOK_NAME
from pumice.agents.selectors import as_selector
from pumice.agents.sources import Source, event_matches
from pumice.errors import DeclarationError

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""What a hook may take. HEAD and OPTIONS are answered for it."""
BETWEEN = ":"
"""Stands between the address and the method in the name of a hook that shares its address."""
ACCEPTED_STATUSES = range(200, 300)


def read_hook(mark: HookMark, base: Handler, where: str) -> Hook:
    """The hook that a mark declares. Raises `DeclarationError`."""
    if not isinstance(mark.name, str) or not HOOK_NAME.fullmatch(mark.name):
        raise DeclarationError(where, f"{mark.name!r} is no hook name: letters, digits, '_', '.' and '-' only")
    if not mark.methods or set(mark.methods) - set(METHODS):
        raise DeclarationError(
            where, f"a hook's methods are {', '.join(METHODS)}, not {', '.join(mark.methods) or 'none'}"
        )
    if mark.respond not in {"result", "accepted"}:
        raise DeclarationError(where, f"respond is 'result' or 'accepted', not {mark.respond!r}")
    if mark.accepted_status is not None and mark.accepted_status not in ACCEPTED_STATUSES:
        raise DeclarationError(where, f"accepted_status must be from 200 to 299, not {mark.accepted_status!r}")
    if mark.verify is not None and not callable(mark.verify):
        raise DeclarationError(where, f"verify must be callable with the request, not {mark.verify!r}")
    _check_source(mark, where)
    try:
        session = as_selector(mark.session)
        dedupe = as_selector(mark.dedupe) if mark.dedupe is not None else None
        verify = as_selector(mark.verify) if mark.verify is not None else None
    except TypeError as error:
        raise DeclarationError(where, str(error)) from None
    return Hook(
        base.attribute,
        checked_policy(mark.policy, where),
        base.static,
        base.is_async,
        name=mark.name,
        address=mark.name,
        session=session,
        source=mark.source,
        events=mark.events,
        by_event_time=mark.order == "event",
        methods=mark.methods,
        accepts=mark.respond == "accepted",
        accepted_status=mark.accepted_status,
        verify=verify,
        dedupe=dedupe,
    )


def _check_source(mark: HookMark, where: str) -> None:
    if mark.source is not None and not isinstance(mark.source, Source):
        raise DeclarationError(where, f"source is one of pumice.sources, called with its secret, not {mark.source!r}")
    if not all(isinstance(one, str) and one for one in mark.events):
        raise DeclarationError(where, "events must be a list of event types, such as 'invoice.*'")
    if mark.order not in {"accepted", "event"}:
        raise DeclarationError(where, f"order is 'accepted' or 'event', not {mark.order!r}")
    if mark.order == "event" and (mark.source is None or mark.source.time is None):
        raise DeclarationError(where, "order='event' needs a source that says when its events happened")
    if mark.events and (mark.source is None or mark.source.event is None):
        raise DeclarationError(where, "events needs a source that says what its event types are")


def group_hooks(hooks: Sequence[Hook], agent: str) -> Mapping[str, Sequence[Hook]]:
    """The hooks by their addresses, those with the most exact events first. Raises `DeclarationError`."""
    groups: dict[str, list[Hook]] = {}
    for hook in hooks:
        groups.setdefault(hook.address, []).append(hook)
    return {address: _group(group, f"{agent}.{group[-1].attribute}") for address, group in groups.items()}


def _group(group: list[Hook], where: str) -> list[Hook]:
    if len(group) == 1:
        return group
    address = group[0].address
    patterns = [pattern for hook in group for pattern in hook.events or ("*",)]
    if any(hook.source is None for hook in group) or len(patterns) != len(set(patterns)):
        what = f"there are two hooks named {address!r}; several need the same source and different events"
        raise DeclarationError(where, what)
    if len({(hook.source.name, hook.source.secrets) for hook in group if hook.source is not None}) > 1:
        raise DeclarationError(where, f"the hooks named {address!r} have different sources")
    named = [replace(hook, name=f"{address}{BETWEEN}{hook.attribute}") for hook in group]
    return sorted(named, key=_exactness)


def _exactness(hook: Hook) -> tuple[bool, int]:
    """Sorts exact event types before patterns, and long patterns before short ones."""
    return any("*" in one for one in hook.events or ("*",)), -max(map(len, hook.events), default=0)


def hook_for(group: Sequence[Hook], event: str | None) -> Hook | None:
    """Which of an address's hooks takes an event; None where none does."""
    exact = next((hook for hook in group if event is not None and event in hook.events), None)
    return exact or next((hook for hook in group if event_matches(event, hook.events)), None)


def moved_hook(addresses: Mapping[str, Sequence[Hook]], name: str, payload: str) -> Hook | None:
    """Where an interaction goes that was accepted when its address had other hooks: by its event, as today's would."""
    group = addresses.get(name.partition(BETWEEN)[0])
    if not group:
        return None
    return hook_for(group, loads(payload).get("event") if payload else None)
