"""Times of day in a timezone whose clocks are changed: which come twice, which not at all, and when that is in UTC.

A local time and a time in UTC are both without timezone here; which one a value is, its name says.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class ClockChange:
    """A change of the clocks, at `at` in UTC, from one offset to another."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def is_gap(self) -> bool:
        """Whether local times are left out; else they are repeated."""
        return self.after > self.before

    @property
    def begins(self) -> datetime:
        """The first local time that is left out or comes twice."""
        return self.at + min(self.before, self.after)

    @property
    def ends(self) -> datetime:
        """The local time just after the last that is left out or comes twice."""
        return self.at + max(self.before, self.after)


def offset_of(local: datetime, zone: tzinfo) -> timedelta:
    """The offset of a local time; of one that comes twice, the first time's."""
    return local.replace(tzinfo=zone).utcoffset() or timedelta()


def change_at(local: datetime, zone: tzinfo) -> ClockChange | None:
    """The change of the clocks that leaves this local time out, or has it come twice; None of any other time."""
    before = offset_of(local, zone)
    after = local.replace(tzinfo=zone, fold=1).utcoffset() or timedelta()
    if before == after:
        return None
    early, late = local - max(before, after), local - min(before, after)
    while late - early > SECOND:
        middle = early + (late - early) // 2
        middle -= timedelta(microseconds=middle.microsecond)
        early, late = (middle, late) if _offset_at(middle, zone) == before else (early, middle)
    return ClockChange(late, before, after)


def _offset_at(utc: datetime, zone: tzinfo) -> timedelta:
    return zone.fromutc(utc.replace(tzinfo=zone)).utcoffset() or timedelta()
