"""Schedules that are made at run time, each under a key of its session: what may be asked for, and what a turn asks.

They are due once, or again and again by a cron expression or an interval; see `due_times`.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from pumice.agents.jobs import SESSION_ZONE
from pumice.agents.schedules import Cron
from pumice.errors import ScheduleError

When: TypeAlias = datetime | timedelta | float
"""A time (with timezone), a duration, or seconds from now."""

LONGEST_DELAY = timedelta(days=36_525).total_seconds()
"""How far ahead, in seconds, a call may be scheduled, and how long an interval may be."""
SHORTEST_INTERVAL = 1.0
"""Seconds."""
SCHEDULE_KEY_LENGTH = 255
UTC_ZONE = "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule:
    """What is to be called, and when: at `at`, after `delay` seconds, by `cron`, or each `every` seconds.

    payload: the arguments, as JSON text. timezone: in which `cron` is read; `session` for the session's own.
    """

    key: str
    method: str
    payload: str
    at: datetime | None = None
    delay: float = 0.0
    cron: str | None = None
    every: float | None = None
    timezone: str | None = None

    def first(self, after: datetime, session_zone: str | None) -> datetime | None:
        """When it is due first; None where that is `delay`, or `every`, seconds after it is stored."""
        if self.cron is None:
            return self.at
        return Cron(self.cron).next(after, zone_of(self.timezone, session_zone))

    @property
    def when(self) -> dict[str, object]:
        """When it is due, as it was asked for."""
        if self.cron is not None:
            return {"cron": self.cron, "timezone": self.timezone}
        if self.every is not None:
            return {"every": self.every}
        return {"delay": self.delay} if self.at is None else {"at": self.at}


@dataclass(frozen=True, slots=True)
class Unschedule:
    """The schedule of a key is to be gone, and what it has fired and nobody has started."""

    key: str


ScheduleOperation: TypeAlias = NewSchedule | Unschedule


@dataclass(frozen=True, slots=True)
class ScheduleChange:
    """What becomes of a key: `new` is its schedule from now on, if any. cancels: what was before is cancelled."""

    key: str
    new: NewSchedule | None
    cancels: bool


def changes_of(operations: Iterable[ScheduleOperation]) -> list[ScheduleChange]:
    """What operations, done one after the other, come to: one change for each key."""
    found: dict[str, ScheduleChange] = {}
    for one in operations:
        known = found.get(one.key)
        is_new = isinstance(one, NewSchedule)
        cancels = not is_new or (known is not None and known.cancels)
        found[one.key] = ScheduleChange(one.key, one if isinstance(one, NewSchedule) else None, cancels)
    return list(found.values())


def read_when(when: When) -> tuple[datetime | None, float]:
    """A time in UTC, or a delay in seconds. Raises `ValueError` for what is neither, or not within a century."""
    at, delay = None, 0.0
    if isinstance(when, datetime):
        if when.tzinfo is None:
            raise ValueError(f"schedule: {when!r} has no timezone")
        at = when.astimezone(UTC)
    else:
        delay = when.total_seconds() if isinstance(when, timedelta) else float(when)
    if not delay <= LONGEST_DELAY or (at is not None and at > datetime.now(UTC) + timedelta(seconds=LONGEST_DELAY)):
        raise ValueError(f"schedule: {when!r} is no time within a century")
    return at, max(delay, 0.0)


def checked_schedule_key(value: object) -> str:
    """The value as a schedule's key: 1 to 255 characters, none of them control characters. Raises `ValueError`."""
    if not isinstance(value, str) or not 1 <= len(value) <= SCHEDULE_KEY_LENGTH:
        raise ValueError(f"key: must be text of 1 to {SCHEDULE_KEY_LENGTH} characters")
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in value):
        raise ValueError("key: must not contain control characters")
    return value


def checked_cron(value: object) -> str:
    """The value as a cron expression that is due some time. Raises `ValueError`."""
    try:
        cron = Cron(value if isinstance(value, str) else repr(value))
    except ScheduleError as error:
        raise ValueError(f"cron: {error}") from None
    if cron.next(datetime.now(UTC)) is None:
        raise ValueError(f"cron: {value!r} is never due")
    return cron.text


def checked_every(value: timedelta | float) -> float:
    """The value as an interval, in seconds. Raises `ValueError`."""
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise ValueError("every: must be a number of seconds")  # noqa: TRY004 (the caller says which field it is)
    if not SHORTEST_INTERVAL <= seconds <= LONGEST_DELAY:
        raise ValueError(f"every: must be {SHORTEST_INTERVAL:.0f} to {LONGEST_DELAY:.0f} seconds")
    return float(seconds)


def checked_timezone(value: object) -> str:
    """The value as an IANA timezone. Raises `ValueError`."""
    try:
        return ZoneInfo(value).key  # type: ignore[arg-type]
    except (ValueError, TypeError, OSError, LookupError):
        raise ValueError(f"timezone: {value!r} is no IANA timezone, such as Europe/Berlin") from None


def checked_schedule_zone(value: object) -> str:
    """The value as the timezone of a schedule: an IANA timezone, or `session`. Raises `ValueError`."""
    return SESSION_ZONE if value == SESSION_ZONE else checked_timezone(value)


def zone_of(timezone: str | None, session_zone: str | None) -> ZoneInfo:
    """The timezone in which a schedule is read. Raises `ValueError` when there is none of its name any more."""
    name = (session_zone if timezone == SESSION_ZONE else timezone) or UTC_ZONE
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError(f"there is no timezone {name!r}") from None
