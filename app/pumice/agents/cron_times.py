"""The local times that a cron expression names, whatever the clocks do. Times here have no timezone."""

from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import MAXYEAR, MINYEAR, datetime

LONGEST_WAIT = 50
"""Years after which what was not due is taken to be never due. A fifth Monday of February may take 40."""


@dataclass(frozen=True, slots=True)
class DayRule:
    """Which days of a month are named.

    days, weekdays: None where the field is `*`; a day is named if either field names it, or both are `*`.
    on_last_day: the last of the month, besides `days`. nth: instead of weekdays, each with its number in the month (0:
    the last).
    """

    days: frozenset[int] | None
    on_last_day: bool
    weekdays: frozenset[int] | None
    nth: frozenset[tuple[int, int]]
    _known: dict[tuple[int, int], tuple[int, ...]] = field(default_factory=dict, repr=False, compare=False)

    def of(self, year: int, month: int) -> tuple[int, ...]:
        """The days of a month that are named, in order."""
        shape = monthrange(year, month)
        found = self._known.get(shape)
        if found is None:
            first, length = shape
            days = tuple(day for day in range(1, length + 1) if self._names(day, (first + day) % 7, length))
            found = self._known.setdefault(shape, days)
        return found

    def _names(self, day: int, weekday: int, length: int) -> bool:
        """weekday: 0 is Sunday."""
        if self.nth:
            is_last = day + 7 > length
            return (weekday, (day + 6) // 7) in self.nth or (is_last and (weekday, 0) in self.nth)
        by_date = self.days is not None and (day in self.days or (self.on_last_day and day == length))
        if self.weekdays is None:
            return by_date or self.days is None
        return by_date or weekday in self.weekdays


@dataclass(frozen=True, slots=True)
class CronTimes:
    """The local times at which an expression is due: on its days, at each of its hours, minutes and seconds."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    seconds: tuple[int, ...]
    months: frozenset[int]
    days: DayRule

    def first(self, start: datetime) -> datetime | None:
        """The first time at or after `start`, a whole second; None when there is none for `LONGEST_WAIT` years."""
        for year, month in self._months(start, 1):
            days = self.days.of(year, month)
            place = 0
            if (year, month) == (start.year, start.month):
                place = bisect_left(days, start.day)
                if place < len(days) and days[place] == start.day:
                    if time := self._first_time(start):
                        return datetime(year, month, start.day, *time)  # noqa: DTZ001 (local)
                    place += 1
            if place < len(days):
                time = self.hours[0], self.minutes[0], self.seconds[0]
                return datetime(year, month, days[place], *time)  # noqa: DTZ001 (local)
        return None

    def last(self, end: datetime) -> datetime | None:
        """The last time at or before `end`, a whole second; None when there is none for `LONGEST_WAIT` years."""
        for year, month in self._months(end, -1):
            days = self.days.of(year, month)
            place = len(days) - 1
            if (year, month) == (end.year, end.month):
                place = bisect_right(days, end.day) - 1
                if place >= 0 and days[place] == end.day:
                    if time := self._last_time(end):
                        return datetime(year, month, end.day, *time)  # noqa: DTZ001 (local)
                    place -= 1
            if place >= 0:
                time = self.hours[-1], self.minutes[-1], self.seconds[-1]
                return datetime(year, month, days[place], *time)  # noqa: DTZ001 (local)
        return None

    def _months(self, start: datetime, step: int) -> Iterator[tuple[int, int]]:
        """The expression's months from that of `start` on, forwards or backwards."""
        first = start.year * 12 + start.month - 1
        for number in range(first, first + step * (LONGEST_WAIT * 12 + 1), step):
            year, month = divmod(number, 12)
            if MINYEAR <= year <= MAXYEAR and month + 1 in self.months:
                yield year, month + 1

    def _first_time(self, start: datetime) -> tuple[int, int, int] | None:
        """The first time of a day at or after the time of `start`."""
        hours, minutes, seconds = self.hours, self.minutes, self.seconds
        hour = bisect_left(hours, start.hour)
        if hour < len(hours) and hours[hour] == start.hour:
            minute = bisect_left(minutes, start.minute)
            if minute < len(minutes) and minutes[minute] == start.minute:
                second = bisect_left(seconds, start.second)
                if second < len(seconds):
                    return start.hour, start.minute, seconds[second]
                minute += 1
            if minute < len(minutes):
                return start.hour, minutes[minute], seconds[0]
            hour += 1
        return (hours[hour], minutes[0], seconds[0]) if hour < len(hours) else None

    def _last_time(self, end: datetime) -> tuple[int, int, int] | None:
        """The last time of a day at or before the time of `end`."""
        hours, minutes, seconds = self.hours, self.minutes, self.seconds
        hour = bisect_right(hours, end.hour) - 1
        if hour >= 0 and hours[hour] == end.hour:
            minute = bisect_right(minutes, end.minute) - 1
            if minute >= 0 and minutes[minute] == end.minute:
                second = bisect_right(seconds, end.second) - 1
                if second >= 0:
                    return end.hour, end.minute, seconds[second]
                minute -= 1
            if minute >= 0:
                return end.hour, minutes[minute], seconds[-1]
            hour -= 1
        return (hours[hour], minutes[-1], seconds[-1]) if hour >= 0 else None
