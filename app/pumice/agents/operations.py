"""Operations on many sessions: what may be asked for, checked before anything is done."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pumice.agents.conditions import Condition, read_condition
from pumice.agents.names import checked_session_id, checked_snapshot_name
from pumice.agents.releases import STABLE_NAME, Share, checked_percent, checked_release
from pumice.errors import InvalidField

LONGEST_NOTE = 4_096
"""Characters of a snapshot's note."""
FORK_PREFIX = "fork-"


@dataclass(frozen=True, slots=True)
class NewOperation:
    """What to do to which sessions. `where` is the condition as it was given; `options` are the action's own."""

    action: str
    where: Mapping[str, Any]
    condition: Condition
    options: Mapping[str, Any]


def read_operation(cls: type[Any], body: Mapping[str, Any]) -> NewOperation:
    """Check what is asked of an agent's class. Raises `InvalidField`, naming the field.

    `{"action": "snapshot", "where": {…}, "name", "note"?}`, and so on; see `ACTIONS`. `canary` picks only the sessions
    of a canary's share, of those for which the condition holds; with `above` not those of that smaller share.
    """
    action = body.get("action")
    if not isinstance(action, str) or action not in ACTIONS:
        raise InvalidField("action", f"must be one of {', '.join(ACTIONS)}")
    if "where" not in body:
        raise InvalidField("where", "is required; {} picks all sessions")
    known = ACTIONS[action]
    for name in body:
        if name not in {"action", "where", "canary", *known}:
            raise InvalidField(name, f"is not known of {action}; known are {', '.join(('where', *known))}")
    options = {name: check(body.get(name), name) for name, check in known.items()}
    condition = read_condition(cls.State, body["where"])
    if (canary := body.get("canary")) is not None:
        condition, options["canary"] = replace(condition, share=_read_part(canary)), canary
    return NewOperation(action, body["where"], condition, options)


def read_share(given: Any) -> Share:
    """Check `{"release", "percent"}`, a canary's share. Raises `InvalidField`."""
    if not isinstance(given, Mapping) or set(given) != {"release", "percent"}:
        raise InvalidField("canary", 'must be an object with "release" and "percent"')
    release = checked_release(given["release"], "canary.release")
    if release == STABLE_NAME:
        raise InvalidField("canary.release", "is what the workers without a release are called")
    return Share(release, checked_percent(given["percent"], "canary.percent"))


def _read_part(given: Any) -> Share:
    """Check `{"release", "percent", "above"?}`, a share without a smaller one. Raises `InvalidField`."""
    if not isinstance(given, Mapping) or "above" not in given:
        return read_share(given)
    share = read_share({name: value for name, value in given.items() if name != "above"})
    return share._replace(above=checked_percent(given["above"], "canary.above"))


def checked_at(value: Any, name: str) -> str | None:
    """The value as a point: an interaction's id, a snapshot's name, or None. Raises `InvalidField`."""
    if value is None:
        return None
    if not isinstance(value, str) or not value or "\x00" in value:
        raise InvalidField(name, "must be an interaction's id or a snapshot's name")
    return value


def checked_note(value: Any, name: str) -> str | None:
    """The value as a snapshot's note, or None. Raises `InvalidField`."""
    if value is None:
        return None
    if not isinstance(value, str) or "\x00" in value or len(value) > LONGEST_NOTE:
        raise InvalidField(name, f"must be text of at most {LONGEST_NOTE} characters")
    return value


def checked_flag(value: Any, name: str) -> bool:
    """The value as a flag; none is false. Raises `InvalidField`."""
    if not isinstance(value, bool) and value is not None:
        raise InvalidField(name, "must be true or false")
    return bool(value)


def checked_choice(value: Any, name: str, choices: Sequence[str]) -> str:
    """The value as one of some words. Raises `InvalidField`."""
    if not isinstance(value, str) or value not in choices:
        raise InvalidField(name, "must be " + " or ".join(f'"{one}"' for one in choices))
    return value


def _required_at(value: Any, name: str) -> str:
    found = checked_at(value, name)
    if found is None:
        raise InvalidField(name, "is required: a snapshot's name, or an interaction's id")
    return found


def _queued(value: Any, name: str) -> str:
    if value is None:
        return "keep"
    return checked_choice(value, name, ("keep", "drop"))


def _prefix(value: Any, name: str) -> str:
    return FORK_PREFIX if value is None else checked_session_id(value, name)


ACTIONS: Mapping[str, Mapping[str, Callable[[Any, str], Any]]] = {
    "snapshot": {"name": lambda value, _: checked_snapshot_name(value), "note": checked_note},
    "fork": {"prefix": _prefix, "at": checked_at, "quiet": checked_flag},
    "restore": {"at": _required_at, "queued": _queued, "cancel": checked_flag},
    "migrate": {},
    "delete": {},
}
"""What can be done, and each option with its check. A fork's id is the prefix and its parent's id."""
