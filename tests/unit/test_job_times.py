"""Due times as operators ask for them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pumice.agents.job_times import (
    DueTimes,
    checked_time,
    coming_times,
    due_times,
    newest_time,
    summed_up,
    zone_named,
    zones_of,
)
from pumice.agents.spec import describe
from pumice.errors import InvalidField
from tests.support.agents_reminders import Reminders

JOBS = describe(Reminders).jobs
DAY = datetime(2026, 1, 1, tzinfo=UTC)
ZONES = zones_of(JOBS["local"], ["Asia/Tokyo", "Europe/Berlin"])


def at(hour, day=1):
    return datetime(2026, 1, day, hour, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("2026-01-01T09:00:00Z", at(9)),
        ("2026-01-01T10:00:00+01:00", at(9)),
        ("2026-01-01T10:00:00 01:00", at(9)),
        ("2026-01-01T09:00:00.250Z", at(9) + timedelta(milliseconds=250)),
        ("2026-01-01T09:00Z", at(9)),
    ],
)
def test_times_are_read_with_their_offset(given, wanted):
    assert checked_time(given, "at") == wanted


@pytest.mark.parametrize(
    "given", [None, 7, "", "2026-01-01T09:00:00", "yesterday", "0001-01-01T00:00:00+23:59", "2200-01-01T00:00:00Z"]
)
def test_what_is_no_time_is_refused(given):
    with pytest.raises(InvalidField, match="at"):
        checked_time(given, "at")


def test_a_local_job_is_due_in_each_zone_once():
    assert list(due_times(JOBS["local"], ZONES, at(0), at(0, 2))) == [at(0), at(8), at(9), at(0, 2)]
    assert coming_times(JOBS["local"], ZONES, at(8), 3) == [at(9), at(0, 2), at(8, 2)]
    assert newest_time(JOBS["local"], ZONES, at(7)) == at(0)
    assert zones_of(JOBS["remind"], ["Asia/Tokyo"]) == [ZoneInfo("UTC")]


def test_a_zone_that_is_unknown_here_is_utc():
    assert zone_named("Mars/Olympus") == ZoneInfo("UTC")
    assert zone_named(None) == ZoneInfo("UTC")


def test_intervals_from_creation_are_whole_seconds():
    schedule = JOBS["hourly"].begun(at(3) + timedelta(seconds=7, milliseconds=900))
    assert schedule.next(at(3) + timedelta(seconds=7)) == at(4) + timedelta(seconds=7)
    assert JOBS["remind"].begun(at(3)) is JOBS["remind"].schedule


def test_a_span_is_summed_up():
    assert summed_up(JOBS["local"], ZONES, at(0), at(9)) == DueTimes(at(8), at(9), 2)
    assert summed_up(JOBS["local"], ZONES, at(9), at(9)) is None
    assert summed_up(JOBS["remind"], zones_of(JOBS["remind"], []), at(10), at(11)) is None


def test_a_long_span_is_estimated():
    found = summed_up(JOBS["local"], zones_of(JOBS["local"], []), DAY, DAY + timedelta(days=5_000))
    assert found == DueTimes(at(9), at(9) + timedelta(days=4_999), 5_000)


def test_a_span_of_intervals_from_creation_covers_all_of_it():
    found = summed_up(JOBS["hourly"], zones_of(JOBS["hourly"], []), at(0), at(5))
    assert found == DueTimes(at(0) + timedelta(microseconds=1), at(5), 5)
