"""The times at which jobs are due, as operators ask for them. Pure functions of the times and zones they are given."""

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import groupby, islice
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pumice.agents.jobs import Job
from pumice.agents.schedules import Every, due_between
from pumice.agents.sources import read_rfc3339
from pumice.errors import InvalidField

YEARS = range(1970, 2200)
"""The years that operators may ask about."""
PLAIN = ZoneInfo("UTC")
"""The timezone of a session without one."""
LEAST = timedelta(microseconds=1)
COUNTED = 1_000
"""Due times of a span that are counted one by one: who sums it up holds the job's row."""
EATEN_PLUS = re.compile(r" (?=\d\d:\d\d$)")


@dataclass(frozen=True, slots=True)
class DueTimes:
    """Due times one after the other: the first, the last, and how many; beyond `COUNTED` an estimate."""

    first: datetime
    last: datetime
    count: int


def checked_time(value: Any, field: str) -> datetime:
    """The value as a time, in UTC. Raises `InvalidField`.

    It is RFC 3339, and a `+` that came as a space (which it is in an address) is taken for what it was.
    """
    found = read_rfc3339(EATEN_PLUS.sub("+", value)) if isinstance(value, str) else None
    if found is None:
        raise InvalidField(field, "must be a time with its offset, as 2026-01-31T09:00:00Z")
    if found.year not in YEARS:
        raise InvalidField(field, f"must lie in the years {YEARS.start} to {YEARS.stop - 1}")
    return found.astimezone(UTC)


def zone_named(name: str | None) -> tzinfo:
    """A session's timezone; UTC for a session without one, or with one that this machine does not know."""
    try:
        return ZoneInfo(name) if name else PLAIN
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return PLAIN


def zones_of(job: Job, names: Iterable[str]) -> list[tzinfo]:
    """The zones that a job's schedule is read in. names: the timezones of its agent's sessions."""
    return [PLAIN, *map(zone_named, names)] if job.is_local else [job.zone]


def due_times(job: Job, zones: Sequence[tzinfo], first: datetime, last: datetime) -> Iterator[datetime]:
    """The due times from `first` to `last`, both included, in any of the zones; oldest first, each once."""
    found = heapq.merge(*(due_between(job.schedule, first - LEAST, last, zone) for zone in zones))
    return (due for due, _ in groupby(found))


def coming_times(job: Job, zones: Sequence[tzinfo], after: datetime, count: int) -> list[datetime]:
    """The next due times after that time in any of the zones."""
    return list(islice(due_times(job, zones, after + LEAST, datetime.max.replace(tzinfo=UTC)), count))


def newest_time(job: Job, zones: Sequence[tzinfo], until: datetime) -> datetime | None:
    """The newest due time up to that time in any of the zones."""
    found = (job.schedule.latest(until, zone) for zone in zones)
    return max((due for due in found if due is not None), default=None)


def summed_up(job: Job, zones: Sequence[tzinfo], after: datetime, until: datetime) -> DueTimes | None:
    """The due times in (after, until], summed up; None when there are none.

    Of a job whose intervals begin with each session's creation they may be at any time between.
    """
    if until <= after:
        return None
    if job.by_creation and isinstance(job.schedule, Every):
        return DueTimes(after + LEAST, until, max(1, (until - after) // timedelta(seconds=job.schedule.seconds)))
    found = list(islice(due_times(job, zones, after + LEAST, until), COUNTED + 1))
    if not found:
        return None
    if len(found) <= COUNTED:
        return DueTimes(found[0], found[-1], len(found))
    last = newest_time(job, zones, until) or found[-1]
    return DueTimes(found[0], last, 1 + round(COUNTED * ((last - found[0]) / (found[-1] - found[0]))))
