"""Cron expressions for tests: made up, within the grammar, and what they mean, worked out minute by minute."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

from croniter import croniter
from hypothesis import strategies as st

MINUTE = timedelta(minutes=1)
CHANGES = (
    ("Europe/Berlin", "2025-03-30"),
    ("Europe/Berlin", "2025-10-26"),
    ("America/New_York", "2025-03-09"),
    ("America/New_York", "2025-11-02"),
    ("Australia/Lord_Howe", "2025-04-06"),
    ("Australia/Lord_Howe", "2025-10-05"),
    ("America/Sao_Paulo", "2018-11-04"),
    ("America/Sao_Paulo", "2018-02-18"),
    ("Asia/Beirut", "2022-03-27"),
    ("Asia/Beirut", "2022-10-30"),
    ("Africa/Cairo", "2024-04-26"),
    ("Africa/Cairo", "2024-11-01"),
    ("Africa/Casablanca", "2025-02-23"),
    ("Africa/Casablanca", "2025-04-06"),
    ("Antarctica/Troll", "2025-03-30"),
    ("Antarctica/Troll", "2025-10-26"),
    ("Asia/Pyongyang", "2015-08-15"),
    ("Asia/Pyongyang", "2018-05-05"),
    ("Pacific/Apia", "2011-12-30"),
    ("Pacific/Kwajalein", "1993-08-21"),
    ("Europe/Dublin", "2025-10-26"),
)
"""Zones and days on which their clocks are changed: by an hour, half of one, two or a day, at night or at midnight."""


def items(least: int, most: int) -> st.SearchStrategy[str]:
    """An item of a field: a value, a range or a step."""
    values = st.integers(least, most)
    ordered = st.tuples(values, values).filter(lambda pair: pair[0] < pair[1])
    ranges = ordered.map(lambda pair: f"{pair[0]}-{pair[1]}")
    steps = st.integers(1, most - least)
    return st.one_of(
        values.map(str),
        ranges,
        st.tuples(ranges, steps).map(lambda pair: f"{pair[0]}/{pair[1]}"),
        st.tuples(values, steps).map(lambda pair: f"{pair[0]}/{pair[1]}"),
        ordered.filter(lambda pair: pair != (0, 7)).map(lambda pair: f"{pair[1]}-{pair[0]}"),
        steps.map(lambda step: f"*/{step}"),
    )


def fields(least: int, most: int, *more: str) -> st.SearchStrategy[str]:
    """A field: `*`, or a list of items."""
    lists = st.lists(items(least, most), min_size=1, max_size=3).map(",".join)
    return st.one_of(st.just("*"), lists, *(st.just(one) for one in more))


TIMES = st.tuples(fields(0, 59, "0", "30", "*/20"), fields(0, 23, "0", "1", "2", "0-4", "*/2")).map(" ".join)
DAYS = st.one_of(
    st.tuples(fields(1, 31, "l", "31", "29"), fields(1, 12, "feb", "jan-mar", "2"), fields(0, 7, "mon-fri", "fri-mon")),
    st.tuples(st.just("*"), fields(1, 12), st.sampled_from(["mon#1", "fri#5", "l5", "L0,sat#2", "1#1,1#3"])),
).map(" ".join)
CRONS = st.tuples(TIMES, DAYS).map(" ".join)
EVERY_DAY = TIMES.map(lambda times: f"{times} * * *")
CRONS_OF_SECONDS = st.tuples(CRONS, fields(0, 59, "0")).map(" ".join)


def local_times(cron: str, start: datetime, end: datetime) -> Iterator[datetime]:
    """What croniter says of a clock that is never changed: the local times in [start, end)."""
    found = croniter(cron, start - timedelta(seconds=1), max_years_between_matches=1).all_next(datetime)
    for one in found:
        if one >= end:
            return
        yield one


def walked(cron: str, zone: tzinfo, start: datetime, end: datetime) -> list[datetime]:
    """When a cron of 5 fields is due in [start, end), found by looking at the clock each minute."""
    day = timedelta(days=2)
    local_start = (start - day).replace(tzinfo=None)
    named = set(local_times(cron, local_start, (end + day).replace(tzinfo=None)))
    follows_clock = any(field.startswith("*") for field in cron.split()[:2])
    due, seen = [], set()
    utc = start - timedelta(days=1)
    before = (utc - MINUTE).astimezone(zone).replace(tzinfo=None)
    while utc < end:
        local = utc.astimezone(zone).replace(tzinfo=None, fold=0)
        skipped = {one for one in named if before < one < local} if local - before > MINUTE else set()
        once = (local in named and local not in seen) or skipped
        if (local in named if follows_clock else once) and utc >= start:
            due.append(utc)
        seen.add(local)
        before, utc = local, utc + MINUTE
    return due


def utc(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
