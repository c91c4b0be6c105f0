"""From what `@job` was given to a job, with every wrong option refused and named."""

from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel

from pumice.agents.conditions import Condition, read_condition
from pumice.agents.declare import JobMark, Policy
from pumice.agents.handlers import LONGEST, Handler, checked_policy
from pumice.agents.jobs import SESSION_ZONE, Anchor, CatchUp, Job, Overlap
from pumice.agents.names import HOOK_NAME
from pumice.agents.schedules import LONGEST_INTERVAL, Cron, Every, Schedule, next_dues, read_interval
from pumice.errors import DeclarationError, InvalidField, ScheduleError

E = TypeVar("E", bound=StrEnum)
COMPARED = 64
"""Due times of which the shortest distance is taken for that of all."""
A_LEAP_YEAR = datetime(2024, 1, 1, tzinfo=UTC)
NEXT = 3
"""Due times that an error names."""


def read_job(mark: JobMark, base: Handler, state: type[BaseModel], where: str) -> Job:
    """The job that a method was declared as.

    Raises `DeclarationError`; where only the schedule is right, the error says when it would be due.
    """
    schedule = _schedule(mark, where)
    try:
        if base.static:
            _check_static(mark, where)
        _check_anchor(mark, where)
        return Job(
            base.attribute,
            _policy(mark, where),
            base.static,
            base.is_async,
            _name(base.attribute if mark.name is None else mark.name, where),
            schedule,
            _timezone(mark.timezone, where),
            _one_of(Overlap, mark.overlap, "overlap", where),
            _one_of(CatchUp, mark.catch_up, "catch_up", where),
            _window(mark.catch_up_window, where),
            _jitter(mark.jitter, schedule, where),
            mark.anchor == Anchor.CREATED,
            _condition(mark, state, where),
            _temporary(mark.temporary, where),
        )
    except DeclarationError as error:
        raise DeclarationError(where, f"{error.what} ({_shown(schedule)})") from None


def _schedule(mark: JobMark, where: str) -> Schedule:
    if (mark.cron is None) == (mark.every is None):
        raise DeclarationError(where, "takes a cron expression or every=timedelta(…), one of them")
    try:
        if mark.every is not None:
            return read_interval(mark.every)
        cron = Cron(mark.cron)  # type: ignore[arg-type]  # what is no text is refused
    except ScheduleError as error:
        raise DeclarationError(where, str(error)) from None
    if cron.next(datetime.now(UTC)) is None:
        raise DeclarationError(where, f"{mark.cron!r} is a cron expression that is never due")
    return cron


def _shown(schedule: Schedule) -> str:
    """When a schedule is due, for whoever reads what else is wrong with its job."""
    order = " has 6 fields, seconds last, and" if len(schedule.text.split()) == 6 else ""  # noqa: PLR2004
    dues = ", ".join(f"{due:%Y-%m-%d %H:%M:%S}" for due in next_dues(schedule, datetime.now(UTC), NEXT))
    return f"{schedule.text}{order} is due next at {dues} UTC"


def _check_static(mark: JobMark, where: str) -> None:
    """Refuse what is said of sessions where there are none."""
    given = {
        "where": mark.where is not None,
        "temporary": mark.temporary is not False,
        "jitter": mark.jitter != 0,
        'anchor="created"': mark.anchor == Anchor.CREATED,
        'timezone="session"': mark.timezone == SESSION_ZONE,
    }
    for name in (name for name, is_given in given.items() if is_given):
        raise DeclarationError(where, f"a static job runs on no session, so it takes no {name}")


def _check_anchor(mark: JobMark, where: str) -> None:
    anchor = _one_of(Anchor, mark.anchor, "anchor", where)
    if mark.cron is not None and anchor == Anchor.CREATED:
        raise DeclarationError(where, "anchor is for every=, not for a cron expression")
    if mark.every is not None and mark.timezone != "UTC":
        raise DeclarationError(where, "timezone is for a cron expression: every= is a length of time, which has none")


def _policy(mark: JobMark, where: str) -> Policy:
    if mark.has_two_limits:
        raise DeclarationError(where, "time_limit is another name of timeout; give one of them")
    return checked_policy(mark.policy, where)


def _name(name: Any, where: str) -> str:
    if not isinstance(name, str) or not HOOK_NAME.fullmatch(name.lstrip("_")):
        raise DeclarationError(where, f"{name!r} is no job name: letters, digits, '_', '.' and '-' only")
    return name


def _timezone(name: Any, where: str) -> str:
    if name == SESSION_ZONE:
        return SESSION_ZONE
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError):
        raise DeclarationError(where, f'{name!r} is no IANA timezone, nor "session"') from None


def _one_of(kind: type[E], given: Any, name: str, where: str) -> E:
    try:
        return kind(given)
    except ValueError:
        known = ", ".join(repr(one.value) for one in kind)
        raise DeclarationError(where, f"{name} is one of {known}, not {given!r}") from None


def _window(given: Any, where: str) -> float | None:
    return None if given is None else _seconds(given, "catch_up_window", LONGEST_INTERVAL, where)


def _jitter(given: Any, schedule: Schedule, where: str) -> float:
    """The seconds of a jitter: fewer than there are between any two due times."""
    jitter = _seconds(given, "jitter", LONGEST, where)
    shortest = _shortest(schedule) if jitter else LONGEST_INTERVAL
    if jitter >= shortest:
        text = f"jitter must be less than the {shortest:g} seconds between two due times, not {given!r}"
        raise DeclarationError(where, text)
    return jitter


def _shortest(schedule: Schedule) -> float:
    """The seconds between the two due times that are closest to each other."""
    if isinstance(schedule, Every):
        return schedule.seconds
    dues = next_dues(schedule, A_LEAP_YEAR, COMPARED)
    return min((later - earlier).total_seconds() for earlier, later in pairwise(dues))


def _seconds(given: Any, name: str, most: float, where: str) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= most:
        raise DeclarationError(where, f"{name} must be a number of seconds, 0 to {most}, not {given!r}")
    return float(given)


def _condition(mark: JobMark, state: type[BaseModel], where: str) -> Condition | None:
    try:
        return None if mark.where is None else read_condition(state, mark.where)
    except InvalidField as error:
        raise DeclarationError(where, str(error)) from None


def _temporary(given: Any, where: str) -> bool:
    if not isinstance(given, bool):
        raise DeclarationError(where, f"temporary is True or False, not {given!r}")
    return given
