"""From what `@job` was given to a job, with every wrong option refused and named."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, croniter
from pydantic import BaseModel

from pumice.agents.conditions import read_condition
from pumice.agents.declare import JobMark
from pumice.agents.handlers import LONGEST, Handler, checked_policy
from pumice.agents.jobs import SESSION_ZONE, CatchUp, Job, Overlap
from pumice.agents.names import HOOK_NAME
from pumice.agents.schedules import Cron, Every, Schedule
from pumice.errors import DeclarationError, InvalidField

E = TypeVar("E", bound=StrEnum)


def read_job(mark: JobMark, base: Handler, state: type[BaseModel], where: str) -> Job:
    """The job that a method was declared as. Raises `DeclarationError`."""
    name = base.attribute if mark.name is None else mark.name
    if not isinstance(name, str) or not HOOK_NAME.fullmatch(name.lstrip("_")):
        raise DeclarationError(where, f"{name!r} is no job name: letters, digits, '_', '.' and '-' only")
    try:
        condition = None if mark.where is None else read_condition(state, mark.where)
    except InvalidField as error:
        raise DeclarationError(where, str(error)) from None
    return Job(
        base.attribute,
        checked_policy(mark.policy, where),
        base.static,
        base.is_async,
        name,
        _schedule(mark, where),
        _timezone(mark.timezone, where),
        _one_of(Overlap, mark.overlap, "overlap", where),
        _one_of(CatchUp, mark.catch_up, "catch_up", where),
        None if mark.catch_up_window is None else _seconds(mark.catch_up_window, "catch_up_window", where),
        _seconds(mark.jitter, "jitter", where),
        mark.anchor == "created",
        condition,
        mark.temporary,
    )


def _schedule(mark: JobMark, where: str) -> Schedule:
    if mark.every is not None:
        seconds = mark.every.total_seconds() if isinstance(mark.every, timedelta) else mark.every
        return Every(int(_seconds(seconds, "every", where)))
    if not isinstance(mark.cron, str) or not croniter.is_valid(mark.cron):
        raise DeclarationError(where, f"{mark.cron!r} is no cron expression")
    try:
        croniter(mark.cron, datetime.now(UTC)).get_next(datetime)
    except CroniterBadDateError:
        raise DeclarationError(where, f"{mark.cron!r} is never due") from None
    return Cron(mark.cron)


def _timezone(name: Any, where: str) -> str:
    if name == SESSION_ZONE:
        return SESSION_ZONE
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise DeclarationError(where, f"{name!r} is no IANA timezone") from None


def _one_of(kind: type[E], given: Any, name: str, where: str) -> E:
    try:
        return kind(given)
    except ValueError:
        known = ", ".join(repr(one.value) for one in kind)
        raise DeclarationError(where, f"{name} is one of {known}, not {given!r}") from None


def _seconds(given: Any, name: str, where: str) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= LONGEST:
        raise DeclarationError(where, f"{name} must be a number of seconds, 0 to {LONGEST}, not {given!r}")
    return float(given)
