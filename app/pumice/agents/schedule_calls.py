"""From what `self.schedule` and `self.schedule_every` are given to a schedule of the session, with a key."""

import inspect
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pumice.agents.context import to_json
from pumice.agents.scheduling import (
    UTC_ZONE,
    NewSchedule,
    When,
    checked_cron,
    checked_every,
    checked_schedule_key,
    checked_schedule_zone,
    read_when,
)

if TYPE_CHECKING:
    from pumice.agents.agent import Agent


def keyed(
    agent: "Agent", when: When, method: str, arguments: tuple[Any, ...], options: dict[str, Any], key: str
) -> NewSchedule:
    """A schedule that is due once.

    Raises `ValueError` for a wrong time or key, `TypeError` where `key` could be meant for the method.
    """
    _check_meant(agent, method, arguments, ("key",))
    at, delay = read_when(when)
    payload = to_json({"args": arguments, "kwargs": options}, f"the arguments of {method}")
    return NewSchedule(key=checked_schedule_key(key), method=method, payload=payload, at=at, delay=delay)


def recurring(  # noqa: PLR0913, PLR0917
    agent: "Agent",
    every: str | timedelta,
    method: str,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    key: str,
    timezone: str | None,
) -> NewSchedule:
    """A schedule that is due again and again.

    Raises `ValueError` for a wrong expression, interval, timezone or key, `TypeError` for what is neither an expression
    nor an interval, and where `key` or `timezone` could be meant for the method.
    """
    _check_meant(agent, method, arguments, ("key",) if timezone is None else ("key", "timezone"))
    payload = to_json({"args": arguments, "kwargs": options}, f"the arguments of {method}")
    name = checked_schedule_key(key)
    if isinstance(every, timedelta):
        if timezone is not None:
            raise ValueError("timezone: an interval has none; only cron expressions have")
        return NewSchedule(key=name, method=method, payload=payload, every=checked_every(every))
    if not isinstance(every, str):
        raise TypeError(f"schedule_every: {every!r} is neither a cron expression nor a timedelta")
    zone = UTC_ZONE if timezone is None else checked_schedule_zone(timezone)
    return NewSchedule(key=name, method=method, payload=payload, cron=checked_cron(every), timezone=zone)


def _check_meant(agent: "Agent", method: str, arguments: tuple[Any, ...], own: tuple[str, ...]) -> None:
    """Raise `TypeError` where the method has a parameter of the same name as an option, and no value for it."""
    parameters = inspect.signature(getattr(agent, method)).parameters.values()
    places = [one.name for one in parameters if one.kind in {one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD}]
    filled = set(places[: len(arguments)])
    named = {one.name for one in parameters if one.kind in {one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY}}
    for option in own:
        if option in named - filled:
            raise TypeError(
                f"{option}: {method}() has a parameter of that name, and {option}= is the schedule's own: give the"
                f" method's by position, or call it something else"
            )
