"""When something is due: cron expressions and intervals. Pure functions of the times they are given."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice
from typing import Protocol

from pumice.agents.cron_grammar import CronExpression, read_cron
from pumice.agents.local_times import SECOND, change_at, offset_of
from pumice.errors import ScheduleError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)
LONGEST_INTERVAL = 366 * 86_400
"""Most seconds between two due times of an interval."""


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


def next_dues(schedule: Schedule, after: datetime, count: int, zone: tzinfo = UTC) -> list[datetime]:
    """The first `count` due times after `after`, oldest first; fewer where it is not due any more."""
    return list(islice(due_between(schedule, after, LAST, zone), count))


def is_due(schedule: Schedule, at: datetime, zone: tzinfo = UTC) -> bool:
    """Whether it is due at that very time."""
    return schedule.latest(at, zone) == at


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression, as `pumice.agents.cron_grammar` has it. Raises `ScheduleError` for any other text.

    Where clocks are changed: a time of day that they skip is due once, just after; one that comes twice is due the
    first time. An expression whose minute or hour begins with `*` follows the clock instead, as in crontab(5): what is
    skipped is not due, and what comes twice is due twice.
    """

    text: str
    _read: CronExpression = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_read", read_cron(self.text))

    def next(self, after: datetime, zone: tzinfo = UTC) -> datetime | None:
        """The first due time after `after`, in UTC, read in `zone`; None when it is not due within 50 years.

        Raises `ScheduleError`, rather than stand still, for a zone whose clocks are changed in a way not known today.
        """
        try:
            due = (self._next_on_clock if self._read.follows_clock else self._next_once)(after.astimezone(zone))
        except OverflowError:
            return None
        found = None if due is None else due.replace(tzinfo=UTC)
        if found is not None and found <= after:
            raise ScheduleError(f"{self.text!r} does not go on after {after.isoformat()} in {zone}")
        return found

    def latest(self, until: datetime, zone: tzinfo = UTC) -> datetime | None:
        """The newest due time at or before `until`, in UTC, read in `zone`; None when it was not within 50 years."""
        try:
            due = (self._latest_on_clock if self._read.follows_clock else self._latest_once)(until.astimezone(zone))
        except OverflowError:
            return None
        return None if due is None else due.replace(tzinfo=UTC)

    def _next_once(self, after: datetime) -> datetime | None:
        local, zone = _local(after)
        change = change_at(local, zone) if after.fold else None
        due = self._read.times.first(local + SECOND if change is None else change.ends)
        return None if due is None else _once(due, zone)

    def _latest_once(self, until: datetime) -> datetime | None:
        local, zone = _local(until)
        change = change_at(local, zone) if until.fold else None
        due = self._read.times.last(local if change is None else change.ends - SECOND)
        return None if due is None else _once(due, zone)

    def _next_on_clock(self, after: datetime) -> datetime | None:
        local, zone = _local(after)
        times, change = self._read.times, change_at(local, zone)
        due = times.first(local + SECOND)
        if change is not None:
            if due is not None and due < change.ends:
                return due - (change.after if after.fold else change.before)
            again = None if after.fold else times.first(change.begins)
            if again is not None and again < change.ends:
                return again - change.after
        while due is not None:
            change = change_at(due, zone)
            if change is None or not change.is_gap:
                return due - offset_of(due, zone)
            due = times.first(change.ends)
        return None

    def _latest_on_clock(self, until: datetime) -> datetime | None:
        local, zone = _local(until)
        times, change = self._read.times, change_at(local, zone)
        due = times.last(local)
        if change is not None:
            if due is not None and due >= change.begins:
                return due - (change.after if until.fold else change.before)
            before = times.last(change.ends - SECOND) if until.fold else None
            if before is not None and before >= change.begins:
                return before - change.before
        while due is not None:
            change = change_at(due, zone)
            if change is None:
                return due - offset_of(due, zone)
            if not change.is_gap:
                return due - change.after
            due = times.last(change.begins - SECOND)
        return None


def _local(at: datetime) -> tuple[datetime, tzinfo]:
    """A time's local time, in whole seconds and without its timezone, and that."""
    return at.replace(tzinfo=None, microsecond=0, fold=0), at.tzinfo or UTC


def _once(local: datetime, zone: tzinfo) -> datetime:
    """When a local time is due that is due once, in UTC: when it first comes or, if it never does, just after."""
    change = change_at(local, zone)
    return local - offset_of(local, zone) if change is None or not change.is_gap else change.at


@dataclass(frozen=True, slots=True)
class Every:
    """An interval in whole seconds, 1 to `LONGEST_INTERVAL`, anchored to the epoch (or to another time).

    Raises `ScheduleError` for any other length.
    """

    seconds: int
    anchor: datetime = EPOCH

    def __post_init__(self) -> None:
        length = self.seconds
        if isinstance(length, bool) or not isinstance(length, int) or not 1 <= length <= LONGEST_INTERVAL:
            raise ScheduleError(f"an interval is 1 to {LONGEST_INTERVAL} whole seconds, not {length!r}")

    @property
    def text(self) -> str:
        """How it is shown: `every 300 s`."""
        return f"every {self.seconds} s"

    def next(self, after: datetime, zone: tzinfo = UTC) -> datetime | None:  # noqa: ARG002 (a length of time has none)
        """The first due time after `after`, in UTC; None beyond the last year that there is."""
        return self._at((after - self.anchor) // timedelta(seconds=self.seconds) + 1)

    def latest(self, until: datetime, zone: tzinfo = UTC) -> datetime | None:  # noqa: ARG002
        """The newest due time at or before `until`, in UTC; None before the first year that there is."""
        return self._at((until - self.anchor) // timedelta(seconds=self.seconds))

    def _at(self, number: int) -> datetime | None:
        try:
            return (self.anchor + timedelta(seconds=self.seconds) * number).astimezone(UTC)
        except OverflowError:
            return None


def read_interval(given: object) -> Every:
    """The interval of a `timedelta` or a number of seconds. Raises `ScheduleError`."""
    seconds = given.total_seconds() if isinstance(given, timedelta) else given
    whole = int(seconds) if isinstance(seconds, float) and seconds.is_integer() else seconds
    try:
        return Every(whole)  # type: ignore[arg-type]  # what is no number of seconds is refused
    except ScheduleError:
        text = f"{given} is no interval: it is 1 to {LONGEST_INTERVAL} whole seconds, or such a timedelta"
        raise ScheduleError(text) from None
