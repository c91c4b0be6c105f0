"""Comparing a turn that ran again with what was recorded of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pumice.agents.exact_json import from_text, to_text

EFFECTS = {
    "calls": "call", "schedules": "schedule", "unschedules": "unschedule", "sends": "send", "emits": "emit",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ran:
    """What a turn did and left, as values of JSON."""

    status: str | None
    result: Any = None
    error: dict[str, Any] | None = None
    effects: list[dict[str, Any]] | None = None
    usage: Any = None
    state: Any = None


def differences(recorded: Ran, candidate: Ran, ignored: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Where two runs of a turn differ, as `{"what", "recorded", "candidate"}`.

    The order of keys is no difference; 1 and 1.0 are. ignored: what is not compared, such as `usage` or
    `state.updated_at`; `*` stands for any key, or for all of a list.
    """
    ones, others = _aspects(recorded), _aspects(candidate)
    found = []
    for what in dict.fromkeys([*ones, *others]):
        if what in ignored:
            continue
        one, other = ones.get(what), others.get(what)
        if _canonical(what, one, ignored) != _canonical(what, other, ignored):
            found.append({"what": what, "recorded": one, "candidate": other})
    return found


def _aspects(ran: Ran) -> dict[str, Any]:
    result = ran.result
    name = "result"
    if isinstance(result, dict) and "message" in result:
        name, message = "reply", result["message"]
        plain = isinstance(message, dict) and set(message) == {"role", "content"}
        result = message["content"] if plain else message
    elif isinstance(result, dict) and set(result) == {"value"}:
        result = result["value"]
    aspects: dict[str, Any] = {"status": ran.status, name: result, "state": ran.state}
    for what, kind in EFFECTS.items():
        aspects[what] = [one for one in ran.effects or () if one.get("kind") == kind]
    error = ran.error and {key: ran.error.get(key) for key in ("type", "message")}
    return {key: value for key, value in (aspects | {"error": error, "usage": ran.usage}).items() if value is not None}


def _canonical(what: str, value: Any, ignored: Sequence[str]) -> str:
    """A value as text that is the same for equal values, without what is ignored."""
    paths = [path.split(".")[1:] for path in ignored if path.startswith(f"{what}.")]
    if paths:
        value = from_text(to_text(value))
        for path in paths:
            _remove(value, path)
    return to_text(_ordered(value))


def _remove(value: Any, path: list[str]) -> None:
    key, *rest = path
    if isinstance(value, list):
        for one in value:
            _remove(one, rest if key == "*" and rest else path)
    elif isinstance(value, dict):
        for name in list(value) if key == "*" else [key] if key in value else []:
            if rest:
                _remove(value[name], rest)
            else:
                del value[name]


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _ordered(value[key]) for key in sorted(value)}
    return [_ordered(one) for one in value] if isinstance(value, list) else value
