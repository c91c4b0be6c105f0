"""When something is due: cron expressions and intervals. Pure functions of the times they are given."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol

from croniter import croniter

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Schedule(Protocol):
    """What says when a job or a schedule is due. All times are in UTC; a cron expression is read in `zone`."""

    @property
    def text(self) -> str:
        """How it was written: the cron expression, or `every 300 s`."""

    def next(self, after: datetime, zone: tzinfo = UTC) -> datetime | None:
        """The first due time after `after`; None when it is never due again."""

    def latest(self, until: datetime, zone: tzinfo = UTC) -> datetime | None:
        """The newest due time at or before `until`; None when there was none."""


def due_between(schedule: Schedule, after: datetime, until: datetime, zone: tzinfo = UTC) -> Iterator[datetime]:
    """The due times in (after, until], oldest first."""
    due = schedule.next(after, zone)
    while due is not None and due <= until:
        yield due
        due = schedule.next(due, zone)


def is_due(schedule: Schedule, at: datetime, zone: tzinfo = UTC) -> bool:
    """Whether it is due at that very time."""
    return schedule.latest(at, zone) == at


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression.

    A time of day that the clocks skip is due when they have skipped it; one that comes twice only the first time,
    unless the expression's minute or hour begins with `*` (as in crontab(5)).
    """

    text: str

    def next(self, after: datetime, zone: tzinfo = UTC) -> datetime | None:
        """The first due time after `after`, in UTC, read in `zone`."""
        dues = croniter(self.text, after.astimezone(zone))
        return self._first(zone, dues, dues.all_next(datetime))

    def latest(self, until: datetime, zone: tzinfo = UTC) -> datetime | None:
        """The newest due time at or before `until`, in UTC, read in `zone`."""
        dues = croniter(self.text, (until + timedelta(microseconds=1)).astimezone(zone))
        return self._first(zone, dues, dues.all_prev(datetime))

    def _first(self, zone: tzinfo, cron: croniter, dues: Iterator[datetime]) -> datetime:
        """The first of these due times that is not one of the day's times coming again, in UTC."""
        comes_again = not any(field.startswith("*") for field in cron.expressions[:2])
        found = (due.astimezone(UTC) for due in dues)
        return next(due for due in found if not (comes_again and due.astimezone(zone).fold))


@dataclass(frozen=True, slots=True)
class Every:
    """An interval in whole seconds, anchored to the epoch (or to another time)."""

    seconds: int
    anchor: datetime = EPOCH

    @property
    def text(self) -> str:
        """How it is shown: `every 300 s`."""
        return f"every {self.seconds} s"

    def next(self, after: datetime, zone: tzinfo = UTC) -> datetime | None:  # noqa: ARG002 (a length of time has none)
        """The first due time after `after`, in UTC."""
        passed = (after - self.anchor) // timedelta(seconds=self.seconds)
        return self.anchor + timedelta(seconds=self.seconds) * (passed + 1)

    def latest(self, until: datetime, zone: tzinfo = UTC) -> datetime | None:  # noqa: ARG002
        """The newest due time at or before `until`, in UTC."""
        passed = (until - self.anchor) // timedelta(seconds=self.seconds)
        return self.anchor + timedelta(seconds=self.seconds) * passed
