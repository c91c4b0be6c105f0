"""When cron expressions and intervals are due, in timezones whose clocks are changed, as seen by independent models."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from croniter import CroniterBadDateError, croniter
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pumice.agents.schedules import (
    EPOCH,
    LONGEST_INTERVAL,
    Cron,
    Every,
    Schedule,
    due_between,
    is_due,
    next_dues,
    read_interval,
)
from pumice.errors import ScheduleError
from tests.support.crons import CHANGES, CRONS, CRONS_OF_SECONDS, EVERY_DAY, utc, walked

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns"]
instants = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)).map(lambda one: one.replace(tzinfo=UTC))  # noqa: DTZ001
schedules: st.SearchStrategy[Schedule] = st.one_of(
    CRONS.map(Cron),
    CRONS_OF_SECONDS.map(Cron),
    EVERY_DAY.map(Cron),
    st.builds(Every, st.integers(1, LONGEST_INTERVAL), instants),
)


def near(change: tuple[str, str]) -> st.SearchStrategy[datetime]:
    """Times around a change of the clocks."""
    return st.integers(-50 * 3_600, 50 * 3_600).map(lambda seconds: utc(change[1]) + timedelta(seconds=seconds))


def dues(cron: str, zone: str, start: str, count: int) -> list[str]:
    """The next due times on the zone's own clock."""
    found = next_dues(Cron(cron), utc(start), count, ZoneInfo(zone))
    return [due.astimezone(ZoneInfo(zone)).strftime("%m-%d %H:%M %Z") for due in found]


def test_a_cron_expression_is_read_in_its_timezone():
    assert dues("0 9 * * *", "America/New_York", "2025-06-01T12:00", 2) == ["06-01 09:00 EDT", "06-02 09:00 EDT"]
    assert Cron("30 5 * * *").next(utc("2025-06-01T00:00"), ZoneInfo("Asia/Kolkata")) == utc("2025-06-02T00:00")


def test_a_daily_schedule_stays_at_its_hour_when_the_clocks_are_changed():
    spring = dues("0 9 * * *", "America/New_York", "2025-03-08T00:00", 3)
    assert spring == ["03-08 09:00 EST", "03-09 09:00 EDT", "03-10 09:00 EDT"]
    autumn = dues("0 9 * * *", "Europe/Berlin", "2025-10-25T00:00", 3)
    assert autumn == ["10-25 09:00 CEST", "10-26 09:00 CET", "10-27 09:00 CET"]


@pytest.mark.parametrize(
    ("cron", "zone", "day", "found"),
    [
        ("30 2 * * *", "America/New_York", "2025-03-09", ["2025-03-09T07:00"]),
        ("0,15,30 2 * * *", "America/New_York", "2025-03-09", ["2025-03-09T07:00"]),
        ("30 2 * * * 0-59", "America/New_York", "2025-03-09", ["2025-03-09T07:00"]),
        ("0,30 2-3 * * *", "America/New_York", "2025-03-09", ["2025-03-09T07:00", "2025-03-09T07:30"]),
        ("15 2 * * *", "Australia/Lord_Howe", "2025-10-05", ["2025-10-04T15:30"]),
        ("0 0 * * *", "America/Sao_Paulo", "2018-11-04", ["2018-11-04T03:00"]),
        ("0 9 30 * *", "Pacific/Apia", "2011-12-30", ["2011-12-30T10:00"]),
    ],
)
def test_fixed_times_that_the_clocks_skip_are_due_once_just_after(cron, zone, day, found):
    start = utc(day) - timedelta(hours=12)
    assert list(due_between(Cron(cron), start, start + DAY, ZoneInfo(zone))) == [utc(one) for one in found]


@pytest.mark.parametrize(
    ("cron", "zone", "day", "found"),
    [
        ("30 1 * * *", "America/New_York", "2025-11-02", ["2025-11-02T05:30"]),
        ("30 1 * * * 5,6", "America/New_York", "2025-11-02", ["2025-11-02T05:30:05", "2025-11-02T05:30:06"]),
        ("30 23 17 2 *", "America/Sao_Paulo", "2018-02-18", ["2018-02-18T01:30"]),
        ("45 1 * * *", "Australia/Lord_Howe", "2025-04-06", ["2025-04-05T14:45"]),
    ],
)
def test_fixed_times_that_come_twice_are_due_the_first_time(cron, zone, day, found):
    start = utc(day) - timedelta(hours=12)
    assert list(due_between(Cron(cron), start, start + DAY, ZoneInfo(zone))) == [utc(one) for one in found]


@pytest.mark.parametrize(
    ("cron", "zone", "day", "hours"),
    [
        ("*/30 2 * * *", "America/New_York", "2025-03-09", []),
        ("*/30 2 * * * */30", "America/New_York", "2025-03-09", []),
        ("*/30 1 * * *", "America/New_York", "2025-11-02", ["05:00", "05:30", "06:00", "06:30"]),
        ("45 * * * *", "Australia/Lord_Howe", "2025-04-06", ["12:45", "13:45", "14:45", "15:15", "16:15"]),
    ],
)
def test_wildcards_follow_the_clock(cron, zone, day, hours):
    start = utc(day) if "New" in zone else utc(day) - timedelta(hours=11, minutes=30)
    found = due_between(Cron(cron), start + SECOND, start + timedelta(hours=12), ZoneInfo(zone))
    assert [one.strftime("%H:%M") for one in islice(found, 5)] == hours


def test_an_hourly_schedule_goes_on_through_changes_of_the_clocks():
    for start in ("2025-03-09T04:30", "2025-11-02T03:30"):
        found = next_dues(Cron("0 * * * *"), utc(start), 6, ZoneInfo("America/New_York"))
        assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(hours=1)}


@pytest.mark.parametrize("change", CHANGES, ids=" ".join)
@pytest.mark.parametrize("cron", ["*/30 * * * *", "15,45 0-5 * * *", "*/20 0,2,23 * * *", "0 0 * * *"])
def test_around_every_change_next_and_latest_are_those_of_a_walk_along_the_clock(cron, change):
    zone, day = ZoneInfo(change[0]), utc(change[1])
    start, end = day - 2 * DAY, day + 2 * DAY
    expected = walked(cron, zone, start, end)
    assert list(due_between(Cron(cron), start - SECOND, end - SECOND, zone)) == expected
    for minutes in range(0, 3 * 24 * 60, 10):
        at = start + DAY + timedelta(minutes=minutes, seconds=1)
        assert Cron(cron).latest(at, zone) == max(one for one in expected if one <= at)
        later = [one for one in expected if one > at]
        assert not later or Cron(cron).next(at, zone) == later[0]


@settings(max_examples=60, deadline=None)
@given(cron=st.one_of(EVERY_DAY, CRONS), change=st.sampled_from(CHANGES))
def test_due_times_around_a_change_are_those_of_a_walk_along_the_clock(cron, change):
    zone, day = ZoneInfo(change[0]), utc(change[1])
    start, end = day - 1.5 * DAY, day + 1.5 * DAY
    expected = walked(cron, zone, start, end)
    assert list(due_between(Cron(cron), start - SECOND, end - SECOND, zone)) == expected
    for due in expected[:50]:
        assert is_due(Cron(cron), due, zone)
        assert not is_due(Cron(cron), due + SECOND, zone)


@settings(max_examples=300)
@given(schedule=schedules, data=st.data())
def test_next_latest_and_is_due_agree_around_changes(schedule, data):
    change = data.draw(st.sampled_from(CHANGES))
    zone, at = ZoneInfo(change[0]), data.draw(near(change))
    due = schedule.next(at, zone)
    assume(due is not None)
    assert due > at
    assert schedule.latest(due, zone) == due
    assert is_due(schedule, due, zone)
    before = schedule.latest(due - timedelta(microseconds=1), zone)
    assert before is None or before <= at
    assert before is None or schedule.next(before, zone) == due
    assert before is None or schedule.next(before - timedelta(microseconds=1), zone) == before


@settings(max_examples=300)
@given(cron=st.one_of(CRONS, CRONS_OF_SECONDS), start=instants)
def test_in_utc_over_ten_years_due_times_are_those_of_croniter(cron, start):
    peer = croniter(cron, start)
    try:
        expected = [peer.get_next(datetime) for _ in range(20)]
    except CroniterBadDateError:
        assert Cron(cron).next(start) is None
        return
    assert next_dues(Cron(cron), start, 20) == expected


@settings(max_examples=300)
@given(cron=CRONS, start=instants, name=st.sampled_from(ZONES))
def test_away_from_changes_due_times_in_zones_are_those_of_croniter(cron, start, name):
    zone = ZoneInfo(name)
    due = Cron(cron).next(start, zone) or start
    assume(due > start)
    offsets = {(at + away).astimezone(zone).utcoffset() for at in (start, due) for away in (-2 * DAY, 2 * DAY)}
    assume(len(offsets) == 1)
    assert due == croniter(cron, start.astimezone(zone)).get_next(datetime)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_what_is_never_due_has_no_due_time(zone):
    never = Cron("0 0 30 2 *")
    assert never.next(utc("2025-01-01"), ZoneInfo(zone)) is None
    assert never.latest(utc("2025-01-01"), ZoneInfo(zone)) is None
    assert next_dues(never, utc("2025-01-01"), 3) == []
    assert not is_due(never, utc("2025-01-01"))


def test_what_is_rarely_due_is_found():
    assert Cron("0 0 29 2 *").next(utc("2096-03-01")) == utc("2104-02-29")
    assert Cron("0 0 29 2 *").latest(utc("2104-02-28")) == utc("2096-02-29")
    assert Cron("0 0 * 2 mon#5").next(utc("2072-03-01")) == utc("2112-02-29")


def test_the_ends_of_time_are_no_errors():
    last, first = datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)
    for schedule in (Cron("0 0 * * *"), Cron("* * * * *"), Every(60)):
        for zone in (UTC, ZoneInfo("Pacific/Apia"), ZoneInfo("America/New_York")):
            assert schedule.next(last, zone) is None
            latest = schedule.latest(first, zone)
            assert latest is None or latest <= first
            assert schedule.next(first, zone) is not None or schedule.latest(last, zone) is not None


def test_days_of_the_month_and_of_the_week_are_due_on_either():
    found = next_dues(Cron("0 0 13 * fri"), utc("2025-06-01"), 5)
    assert [due.strftime("%a %d") for due in found] == ["Fri 06", "Fri 13", "Fri 20", "Fri 27", "Fri 04"]
    found = next_dues(Cron("0 0 1 * mon"), utc("2025-07-01"), 3)
    assert [due.strftime("%a %d") for due in found] == ["Mon 07", "Mon 14", "Mon 21"]


def test_intervals_are_counted_from_the_epoch_or_an_anchor():
    assert Every(300).next(utc("2025-06-01T00:00:01")) == utc("2025-06-01T00:05")
    assert Every(300).latest(utc("2025-06-01T00:05")) == utc("2025-06-01T00:05")
    own = Every(86_400, utc("2025-06-01T13:45:10"))
    assert next_dues(own, utc("2025-06-01T13:45:10"), 2) == [utc("2025-06-02T13:45:10"), utc("2025-06-03T13:45:10")]
    assert own.latest(EPOCH) == utc("1969-12-31T13:45:10")
    assert Every(7).text == "every 7 s"


@pytest.mark.parametrize("given", [timedelta(minutes=5), 300, 300.0])
def test_an_interval_is_a_length_of_time_or_seconds(given):
    assert read_interval(given) == Every(300)


NO_INTERVALS = [
    *(0, -5, 0.5, 1.5, True, float("nan"), float("inf"), "300", None, LONGEST_INTERVAL + 1, 10**400),
    *(timedelta(milliseconds=500), timedelta(0), timedelta(days=-1), timedelta(days=367)),
]


@pytest.mark.parametrize("given", NO_INTERVALS, ids=lambda one: str(one)[:20])
def test_what_is_no_interval_is_refused(given):
    with pytest.raises(ScheduleError, match="interval"):
        read_interval(given)
