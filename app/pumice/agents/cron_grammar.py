"""What a cron expression says: 5 fields, or 6 with the seconds last, read into the values that each field takes.

Fields are values, ranges, steps and lists of these, `*`, and names of months and weekdays. `L` is the last day of the
month, `L5` its last Friday, `fri#2` its second. Ranges may go over the end (`fri-mon`), and so do their steps.
All else is refused, and the error says what to write instead.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from pumice.agents.cron_times import CronTimes, DayRule
from pumice.errors import ScheduleError

LONGEST_TEXT = 1_000
"""Most characters of an expression: a list of all minutes has 169."""
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
MONTHS = {
    "jan": 1, "feb": 2, "mar": 3, "apr": 4, "may": 5, "jun": 6,
    "jul": 7, "aug": 8, "sep": 9, "oct": 10, "nov": 11, "dec": 12,
}  # fmt: skip
WEEKDAYS = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}
ITEM = re.compile(
    r"(?P<low>\*|[0-9]{1,4}|[a-z]{3})(?:-(?P<high>[0-9]{1,4}|[a-z]{3}))?"
    r"(?:/(?P<step>[0-9]{1,4})|#(?P<nth>[0-9]{1,4}))?"
)
LAST_WEEKDAY = re.compile(r"l([0-7])")
IN_WHICH_ORDER = "the fields are minute, hour, day of the month, month, day of the week and, with six, seconds last"
HINTS = (
    (re.compile(r"[hr](\(.*\))?(/.*)?"), "`H` and `R` are not known; `jitter=` spreads the sessions' runs"),
    (re.compile(r"\d*w\d*"), "`W`, the nearest weekday, is not known"),
    (re.compile(r".*\?.*"), "`?` is not known; `*` says the same"),
    (re.compile(r"([0-7]|[a-z]{3})l"), "the month's last Friday is `L5`"),
    (re.compile(r".*-l"), "a range to the last day of the month ends with 31"),
    (re.compile(r"l.*"), "`L` is the last day of the month, `L5` as a day of the week its last Friday"),
)
"""What is told of an item that can't be read, by what it looks like."""


@dataclass(frozen=True, slots=True)
class CronField:
    """One field of an expression: the values that it may take, and their names."""

    name: str
    least: int
    most: int
    names: Mapping[str, int] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many values there are."""
        return self.most - self.least + 1


MINUTE = CronField("minute", 0, 59)
HOUR = CronField("hour", 0, 23)
DAY = CronField("day of the month", 1, 31)
MONTH = CronField("month", 1, 12, MONTHS)
WEEKDAY = CronField("day of the week", 0, 6, WEEKDAYS)
SECOND = CronField("second", 0, 59)


@dataclass(frozen=True, slots=True)
class CronExpression:
    """An expression that was read. follows_clock: its minute or hour begins with `*`, see `pumice.agents.schedules`."""

    times: CronTimes
    follows_clock: bool


def read_cron(text: object) -> CronExpression:
    """Read an expression. Raises `ScheduleError`, which says what is wrong and what to write instead."""
    if not isinstance(text, str):
        raise ScheduleError(f"{text!r} is no cron expression: it must be a text")
    try:
        return _read(text)
    except ScheduleError as error:
        shown = text if len(text) <= 80 else f"{text[:77]}…"  # noqa: PLR2004 (a line's length)
        raise ScheduleError(f"{shown!r} is no cron expression: {error}{_with_seconds_last(text)}") from None


def _with_seconds_last(text: str) -> str:
    """What to write for six fields that can be read only with the first of them, the seconds, last."""
    if len(given := text.split()) != 6:  # noqa: PLR2004
        return ""
    moved = " ".join([*given[1:], given[0]]).replace("?", "*")
    try:
        _read(moved)
    except ScheduleError:
        return ""
    return f"; seconds come last, so did you mean {moved!r}?"


@lru_cache(maxsize=1_024)
def _read(text: str) -> CronExpression:
    given = _fields(text)
    minute, hour, day, month, weekday, second = given if len(given) == 6 else [*given, "0"]  # noqa: PLR2004
    times = CronTimes(
        tuple(sorted(_values(MINUTE, minute))),
        tuple(sorted(_values(HOUR, hour))),
        tuple(sorted(_values(SECOND, second))),
        frozenset(_values(MONTH, month)),
        _days(day, weekday),
    )
    return CronExpression(times, follows_clock=minute.startswith("*") or hour.startswith("*"))


def _fields(text: str) -> list[str]:
    if len(text) > LONGEST_TEXT:
        raise ScheduleError(f"it has more than {LONGEST_TEXT} characters")
    if not text.isascii():
        raise ScheduleError("it has letters or digits beyond ASCII")
    if re.search(r"[^\x21-\x7e \t]", text):
        raise ScheduleError("it must be one line; blanks and tabs stand between the fields")
    given = text.lower().split()
    if given and given[0].startswith("@"):
        return _alias(" ".join(given)).split()
    if len(given) == 7:  # noqa: PLR2004 (the fields that croniter knows)
        raise ScheduleError("a seventh field, the year, is not known; `self.schedule(datetime, …)` runs something once")
    if len(given) not in {5, 6}:
        raise ScheduleError(f"it has {len(given)} fields, not 5 or 6; {IN_WHICH_ORDER}")
    return given


def _alias(given: str) -> str:
    if given.startswith("@every"):
        raise ScheduleError("`@every` is not known; `every=timedelta(…)` gives an interval")
    if given not in ALIASES:
        raise ScheduleError(f"{given} is not known; known are {', '.join(ALIASES)}")
    return ALIASES[given]


def _days(day: str, weekday: str) -> DayRule:
    """Which days an expression names. Where both fields do, it is due on the days of either, as in crontab(5)."""
    items = day.split(",")
    days = _values(DAY, ",".join(one for one in items if one != "l")) if set(items) - {"l"} else set()
    nth = {found for one in weekday.split(",") for found in _nth(one)}
    if nth and any(not _nth(one) for one in weekday.split(",")):
        raise ScheduleError("`#` and `L` of weekdays don't go with other weekdays in one field; declare two jobs")
    weekdays = set() if nth else _values(WEEKDAY, weekday)
    any_day = "*" in items or (len(days) == DAY.size and "*" in weekday)
    any_weekday = "*" in weekday.split(",") or (len(weekdays) == WEEKDAY.size and "*" in day)
    if nth and not any_day:
        raise ScheduleError("a day of the month doesn't go with `#` or `L` of weekdays; declare two jobs")
    return DayRule(
        days=None if any_day else frozenset(days),
        on_last_day="l" in items and not any_day,
        weekdays=None if any_weekday or nth else frozenset(weekdays),
        nth=frozenset(nth),
    )


def _nth(item: str) -> list[tuple[int, int]]:
    """The weekdays of `fri#2` or `L5`, each with its number in the month (0: the last); none of any other item."""
    if last := LAST_WEEKDAY.fullmatch(item):
        return [(int(last[1]) % 7, 0)]
    found = ITEM.fullmatch(item)
    if found is None or found["nth"] is None:
        return []
    if not 1 <= int(found["nth"]) <= 5 or found["low"] == "*":  # noqa: PLR2004 (a month has five Fridays at the most)
        raise ScheduleError(f"{item}: a weekday is followed by #1 to #5, as in fri#2")
    return [(day, int(found["nth"])) for day in _range(WEEKDAY, item, found)]


def _values(kind: CronField, text: str) -> set[int]:
    """The values that a field takes."""
    values: set[int] = set()
    for item in text.split(","):
        found = ITEM.fullmatch(item)
        if found is None or found["nth"] is not None:
            raise ScheduleError(f"{item!r} is no {kind.name}; {_hint(item)}")
        values.update(_range(kind, item, found))
    return values


def _range(kind: CronField, item: str, found: re.Match[str]) -> list[int]:
    """The values of one item: a value, a range, or either with a step."""
    low, high, step = found["low"], found["high"], _step(kind, found["step"])
    if low == "*":
        if high:
            raise ScheduleError(f"{item!r} is no {kind.name}: `*` is all of them")
        return list(range(kind.least, kind.most + 1, step))
    start, end = _number(kind, low), _number(kind, high) if high else None
    if start == end or (kind is WEEKDAY and (start, end) == (7, 0)):
        raise ScheduleError(f"{item!r} goes from a {kind.name} to the same; write {low}, or * for all")
    last = (kind.most if found["step"] else start) if end is None else end
    if start > last:
        last += kind.size
    return [kind.least + (value - kind.least) % kind.size for value in range(start, last + 1, step)]


def _number(kind: CronField, text: str) -> int:
    most = 7 if kind is WEEKDAY else kind.most
    number = int(text) if text.isdigit() else kind.names.get(text)
    if number is None:
        raise ScheduleError(f"{text!r} is no {kind.name}; {_hint(text)}")
    if not kind.least <= number <= most:
        raise ScheduleError(f"{text} is no {kind.name}: they go from {kind.least} to {most}; {IN_WHICH_ORDER}")
    return number


def _step(kind: CronField, text: str | None) -> int:
    step = 1 if text is None else int(text)
    if step == 0:
        raise ScheduleError(f"a step of 0 in the {kind.name} goes nowhere")
    if step > kind.size:
        raise ScheduleError(f"a step of {step} is longer than the {kind.size} of the {kind.name}; see `every=`")
    return step


def _hint(item: str) -> str:
    return next((hint for pattern, hint in HINTS if pattern.fullmatch(item)), IN_WHICH_ORDER)
