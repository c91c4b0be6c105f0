"""What becomes of due times: which are run, which are folded, too old or paused, whatever the order of beats."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from pumice.agents import job_decisions
from pumice.agents.job_decisions import decide
from pumice.agents.jobs import CatchUp
from pumice.agents.schedules import Cron, due_between
from pumice.agents.states import Reason, TickKind
from tests.support.ticks import made

HOUR = 3600.0
NOW = datetime(2025, 6, 1, 9, 15, tzinfo=UTC)
ZONES = {"": ZoneInfo("UTC")}


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2025-06-01T{text}").replace(tzinfo=UTC)


def decided(cron: str, after: str, now: datetime = NOW, *, paused: bool = False, **options: Any) -> Any:
    window = options.pop("window", HOUR)
    return decide(made(schedule=Cron(cron), **options), at(after), now, window=window, paused=paused, zones=ZONES)


def told(decision: Any) -> tuple[list[str], list[tuple[str, int]]]:
    """The due times that are run, and the gaps by reason and count."""
    return [f"{due.at:%H:%M}" for due in decision.dues], [(gap.reason.value, gap.count) for gap in decision.gaps]


def test_nothing_is_due():
    assert decided("*/10 * * * *", "09:10") is None


def test_what_is_due_now_is_run():
    found = decided("*/10 * * * *", "09:05", at("09:10"))
    assert told(found) == (["09:10"], [])
    assert (found.until, found.dues[0].kind, found.dues[0].missed) == (at("09:10"), TickKind.DUE, 0)


def test_of_several_that_were_missed_the_newest_is_run_and_says_how_many():
    found = decided("*/10 * * * *", "08:45")
    assert told(found) == (["09:10"], [("folded", 2)])
    assert (found.dues[0].kind, found.dues[0].missed) == (TickKind.CAUGHT_UP, 2)


def test_all_may_be_run():
    found = decided("*/10 * * * *", "08:45", catch_up=CatchUp.ALL)
    assert told(found) == (["08:50", "09:00", "09:10"], [])
    assert all(due.queues for due in found.dues)


def test_or_none_but_what_is_on_time():
    assert told(decided("*/10 * * * *", "08:45", catch_up=CatchUp.NONE)) == ([], [("catch-up", 3)])
    on_time = decided("*/10 * * * *", "08:45", at("09:10") + timedelta(seconds=9), catch_up=CatchUp.NONE)
    assert told(on_time) == (["09:10"], [("catch-up", 2)])


def test_what_is_older_than_the_window_is_not_run():
    found = decided("*/30 * * * *", "06:15")
    assert told(found) == (["09:00"], [("catch-up", 4), ("folded", 1)])
    assert (found.gaps[0].first, found.gaps[0].last, found.until) == (at("06:30"), at("08:00"), at("09:00"))
    assert told(decided("0 6 * * *", "05:00")) == ([], [("catch-up", 1)])


def test_what_was_due_in_a_pause_is_not_run():
    assert told(decided("*/10 * * * *", "08:45", paused=True)) == ([], [("paused", 3)])


def test_years_of_due_times_are_not_counted_one_by_one(monkeypatch):
    monkeypatch.setattr(job_decisions, "COUNTED", 5)
    found = decided("* * * * *", "00:00", NOW + timedelta(days=3000))
    assert found.gaps[0].count == 5
    assert found.gaps[0].last == NOW + timedelta(days=3000, hours=-1)


def test_more_than_can_be_decided_at_once_goes_on_from_there(monkeypatch):
    monkeypatch.setattr(job_decisions, "MOST", 4)
    first = decided("* * * * *", "09:09")
    assert told(first) == ([], [("folded", 4)])
    assert told(decided("* * * * *", "09:13")) == (["09:15"], [("folded", 1)])


def test_local_times_are_run_for_the_zones_in_which_they_are_due():
    zones = {name: ZoneInfo(name) for name in ("Europe/Berlin", "Asia/Tokyo", "Asia/Kolkata")}
    local = made(schedule=Cron("0 11 * * *"), timezone="session")
    due: Any = decide(local, at("08:59"), at("09:00"), window=HOUR, paused=False, zones=zones)
    assert [(one.at, one.zones) for one in due.dues] == [(at("09:00"), None)]
    late: Any = decide(local, at("01:00"), at("09:15"), window=9 * HOUR, paused=False, zones=zones)
    expected = {"02:00": ("Asia/Tokyo",), "05:30": ("Asia/Kolkata",), "09:00": ("Europe/Berlin",)}
    assert {f"{one.at:%H:%M}": one.zones for one in late.dues} == expected


def test_each_zone_catches_up_with_its_own_newest():
    zones = {name: ZoneInfo(name) for name in ("Europe/Berlin", "Europe/London")}
    local = made(schedule=Cron("0 9,10 * * *"), timezone="session")
    late: Any = decide(local, at("06:00"), at("08:30"), window=3 * HOUR, paused=False, zones=zones)
    assert [(one.at, one.zones, one.missed) for one in late.dues] == [
        (at("08:00"), ("Europe/Berlin", "Europe/London"), 1)]  # fmt: skip
    assert told(late)[1] == [("folded", 1)]


@settings(deadline=None)
@given(
    cron=st.sampled_from(["* * * * *", "*/7 * * * *", "0 * * * *", "30 5 * * *"]),
    catch_up=st.sampled_from(CatchUp),
    looks=st.lists(st.integers(1, 20_000), min_size=1, max_size=12),
    paused=st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_each_due_time_is_run_or_lies_in_a_gap_once(cron, catch_up, looks, paused):
    """However beats come and go: looks are the seconds between them."""
    one = made(schedule=Cron(cron), catch_up=catch_up)
    start = until = now = NOW
    run, left = [], 0
    for seconds, stops in zip(looks, paused, strict=False):
        now += timedelta(seconds=seconds)
        found = decide(one, until, now, window=HOUR, paused=stops, zones=ZONES)
        if found is None:
            continue
        assert found.until > until
        until = found.until
        run += [due.at for due in found.dues]
        left += sum(gap.count for gap in found.gaps)
        assert all(now - due.at <= timedelta(seconds=HOUR) for due in found.dues)
        assert not any(gap.reason == Reason.FOLDED for gap in found.gaps if catch_up != CatchUp.ONE)
    everything = list(due_between(one.schedule, start, now))
    assert sorted(set(run)) == run
    assert set(run) <= set(everything)
    assert len(run) + left == len(everything)
