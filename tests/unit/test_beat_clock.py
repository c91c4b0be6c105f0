"""When jobs are due: cron expressions in timezones, changes of the clock, and what was missed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice import Agent, job
from pumice.agents.due import latest_missed, next_due
from pumice.agents.handlers import Job
from pumice.agents.spec import describe
from pumice_workers.beat import Clock

ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns"]
CRONS = ["* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *", "0 9 * * 1-5", "@daily", "0 0 29 2 *", "*/10 * * * * *"]
HOUR = 3600.0
FOR_EVER = 10 * 365 * 24 * HOUR


def made(cron: str, timezone: str = "UTC", name: str = "work") -> Job:
    class One(Agent):
        @job(cron, timezone=timezone, name=name)
        def work(self) -> None: ...

    return describe(One).jobs[name]


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def dues(one: Job, start: str, count: int) -> list[str]:
    """The job's next due times in its own timezone."""
    found, now = [], utc(start)
    for _ in range(count):
        now = next_due(one, now)
        found.append(now.astimezone(one.zone).strftime("%m-%d %H:%M %Z"))
    return found


def test_a_cron_expression_is_read_in_the_jobs_timezone():
    assert dues(made("0 9 * * *", "America/New_York"), "2025-06-01T12:00", 2) == ["06-01 09:00 EDT", "06-02 09:00 EDT"]
    assert next_due(made("30 5 * * *", "Asia/Kolkata"), utc("2025-06-01T00:00")) == utc("2025-06-02T00:00")


def test_a_daily_job_stays_at_its_hour_when_the_clock_changes():
    spring = dues(made("0 9 * * *", "America/New_York"), "2025-03-08T00:00", 3)
    assert spring == ["03-08 09:00 EST", "03-09 09:00 EDT", "03-10 09:00 EDT"]
    autumn = dues(made("0 9 * * *", "Europe/Berlin"), "2025-10-25T00:00", 3)
    assert autumn == ["10-25 09:00 CEST", "10-26 09:00 CET", "10-27 09:00 CET"]


def test_a_time_that_the_clock_skips_runs_once_that_day():
    found = dues(made("30 2 * * *", "America/New_York"), "2025-03-08T12:00", 3)
    assert [one[:5] for one in found] == ["03-09", "03-10", "03-11"]


def test_a_time_that_comes_twice_runs_once():
    found = dues(made("30 1 * * *", "America/New_York"), "2025-11-01T12:00", 3)
    assert [one[:5] for one in found] == ["11-02", "11-03", "11-04"]


def test_an_hourly_job_goes_on_through_changes_of_the_clock():
    hourly = made("0 * * * *", "America/New_York")
    for start in ("2025-03-09T04:30", "2025-11-02T03:30"):
        now, found = utc(start), []
        for _ in range(6):
            now = next_due(hourly, now)
            found.append(now)
        assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(hours=1)}


CHANGES = [utc(f"2025-{day}T00:00") for day in ("03-09", "03-30", "04-06", "10-05", "10-26", "11-02")]
"""Days on which clocks are changed in one of the zones."""
times = st.builds(
    lambda day, seconds: day + timedelta(seconds=seconds), st.sampled_from(CHANGES), st.integers(-100_000, 150_000)
)


@given(cron=st.sampled_from(CRONS), zone=st.sampled_from(ZONES), start=times)
def test_due_times_go_forward_and_are_the_latest_when_they_come(cron, zone, start):
    one = made(cron, zone)
    due = next_due(one, start)
    assert due > start
    assert latest_missed(one, start, due, FOR_EVER) == due
    assert latest_missed(one, start, due - timedelta(microseconds=1), FOR_EVER) is None


@given(cron=st.sampled_from(CRONS[:6]), zone=st.sampled_from(ZONES), start=times, ago=st.floats(0, 100_000))
def test_what_was_missed_is_the_latest_that_is_young_enough(cron, zone, start, ago):
    one, last = made(cron, zone), start - timedelta(seconds=ago)
    missed = latest_missed(one, last, start, HOUR)
    if missed is not None:
        assert max(last, start - timedelta(seconds=HOUR)) < missed <= start
        assert next_due(one, missed) > start


def clock(*jobs: tuple[str, str], catch_up: float = HOUR) -> Clock:
    """A clock for one agent with jobs of these names and expressions."""

    class Many(Agent):
        def one(self) -> None: ...

        def two(self) -> None: ...

    for name, cron in jobs:
        setattr(Many, name, job(cron)(getattr(Many, name)))
    return Clock({"agent": replace(describe(Many), id="agent")}, catch_up)


def taken(one: Clock, now: str) -> list[tuple[str, str]]:
    return [(tick.job, tick.scheduled_for.strftime("%H:%M")) for tick in one.take_due(utc(now))]


def test_a_clock_gives_each_due_time_once():
    one = clock(("one", "*/10 * * * *"), ("two", "0 * * * *"))
    one.start({}, utc("2025-06-01T08:55"))
    assert one.next == utc("2025-06-01T09:00")
    assert taken(one, "2025-06-01T08:59") == []
    assert sorted(taken(one, "2025-06-01T09:00")) == [("one", "09:00"), ("two", "09:00")]
    assert taken(one, "2025-06-01T09:00") == []
    assert taken(one, "2025-06-01T09:10") == [("one", "09:10")]


def test_a_first_start_makes_up_for_nothing():
    one = clock(("one", "*/10 * * * *"))
    one.start({}, utc("2025-06-01T09:00"))
    assert one.next == utc("2025-06-01T09:10")


@pytest.mark.parametrize(("last", "first"), [("08:50", "09:10"), ("09:10", "09:20"), ("00:10", "09:10")])
def test_a_restart_makes_up_for_the_latest_missed_only(last, first):
    one = clock(("one", "*/10 * * * *"))
    one.start({("agent", "one"): utc(f"2025-06-01T{last}")}, utc("2025-06-01T09:15"))
    assert one.next == utc(f"2025-06-01T{first}")


def test_what_is_older_than_the_catch_up_is_left_out():
    one = clock(("one", "0 6 * * *"))
    one.start({("agent", "one"): utc("2025-05-31T06:00")}, utc("2025-06-01T09:15"))
    assert one.next == utc("2025-06-02T06:00")


def test_a_beat_that_stood_still_goes_on_with_the_latest():
    one = clock(("one", "*/10 * * * *"))
    one.start({}, utc("2025-06-01T09:05"))
    assert taken(one, "2025-06-01T11:34") == [("one", "11:30")]
    assert taken(one, "2025-06-01T11:40") == [("one", "11:40")]


def test_the_last_tick_of_a_job_that_is_gone_does_not_matter():
    one = clock(("one", "*/10 * * * *"))
    one.start({("agent", "gone"): utc("2025-06-01T08:00")}, utc("2025-06-01T09:05"))
    assert taken(one, "2025-06-01T09:10") == [("one", "09:10")]


def test_without_jobs_nothing_is_next():
    one = clock()
    one.start({}, utc("2025-06-01T09:05"))
    assert one.next is None
    assert taken(one, "2025-06-01T10:05") == []


def test_zones_are_those_of_the_job():
    assert made("0 9 * * *", "Europe/Berlin").zone == ZoneInfo("Europe/Berlin")
