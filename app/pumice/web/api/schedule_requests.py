"""What a request to make a schedule asks for, checked field by field."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pumice.agents.agent import check_callable
from pumice.agents.context import to_json
from pumice.agents.scheduling import (
    UTC_ZONE,
    NewSchedule,
    checked_cron,
    checked_every,
    checked_schedule_key,
    checked_schedule_zone,
    read_when,
)
from pumice.agents.spec import AgentSpec
from pumice.errors import InvalidField, SerializationError
from pumice.web.http.request_fields import checked

WAYS = ("at", "delay", "cron", "every")
FIELDS = ("method", "args", "kwargs", *WAYS, "timezone")


def read_schedule(spec: AgentSpec, key: str, body: Mapping[str, Any]) -> NewSchedule:
    """Check `{"method", "args"?, "kwargs"?, "at" | "delay" | "cron" | "every", "timezone"?}`. Raises `InvalidField`."""
    for name in body:
        if name not in FIELDS:
            raise InvalidField(name, f"is not known; known are {', '.join(FIELDS)}")
    given = [name for name in WAYS if body.get(name) is not None]
    if len(given) != 1:
        field = given[1] if given else "at"
        raise InvalidField(field, "give exactly one of at, delay, cron and every")
    zone = body.get("timezone")
    if zone is not None and given != ["cron"]:
        raise InvalidField("timezone", "only cron expressions are read in one")
    return NewSchedule(
        key=checked(checked_schedule_key, key, "key"),
        method=_method(spec, body.get("method")),
        payload=_payload(body),
        **_when(given[0], body[given[0]], zone),
    )


def _method(spec: AgentSpec, name: Any) -> str:
    if not isinstance(name, str):
        raise InvalidField("method", "is required: the name of a method of the agent")
    try:
        check_callable(spec.cls, name)
    except AttributeError as error:
        raise InvalidField("method", str(error)) from None
    return name


def _payload(body: Mapping[str, Any]) -> str:
    args, kwargs = body.get("args"), body.get("kwargs")
    if args is not None and not isinstance(args, list):
        raise InvalidField("args", "must be a list")
    if kwargs is not None and not isinstance(kwargs, dict):
        raise InvalidField("kwargs", "must be an object")
    try:
        return to_json({"args": args or [], "kwargs": kwargs or {}}, "the arguments")
    except SerializationError as error:
        raise InvalidField("args", str(error)) from None


def _when(way: str, value: Any, zone: Any) -> dict[str, Any]:
    if way == "cron":
        timezone = UTC_ZONE if zone is None else checked(checked_schedule_zone, zone, "timezone")
        return {"cron": checked(checked_cron, value, "cron"), "timezone": timezone}
    if way == "every":
        return {"every": checked(checked_every, value, "every")}
    if way == "at":
        return {"at": checked(_time, value, "at")}
    return {"delay": checked(_delay, value, "delay")}


def _time(value: Any) -> datetime:
    if not isinstance(value, str):
        raise ValueError("must be a time such as 2030-01-31T09:00:00Z")  # noqa: TRY004 (the caller says which field)
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is no time such as 2030-01-31T09:00:00Z") from None
    if found.tzinfo is None:
        raise ValueError(f"{value!r} has no timezone: end it with Z or an offset")
    try:
        at, _ = read_when(found)
    except (ValueError, OverflowError):
        raise ValueError(f"{value!r} is not within a century") from None
    return at or found.astimezone(UTC)


def _delay(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise ValueError("must be a number of seconds")
    try:
        _, delay = read_when(timedelta(seconds=value))
    except (ValueError, OverflowError):
        raise ValueError("must be within a century") from None
    return delay
