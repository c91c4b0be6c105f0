"""What `@job` may be given, and what is refused when the class is made, naming class, method and option."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pumice import Agent, job
from pumice.agents.conditions import Condition
from pumice.agents.jobs import CatchUp, Job, Overlap, next_times
from pumice.agents.schedules import Cron, Every
from pumice.agents.spec import describe
from pumice.errors import DeclarationError

DAILY = "0 9 * * *"


class Desk(Agent):
    class State(Agent.State):
        plan: str = "free"


def declared(*arguments: Any, is_static: bool = False, **options: Any) -> Job:
    """The job `work` of an agent that declares it so."""
    method = job(*arguments, **options)((lambda: None) if is_static else (lambda self: None))
    made = type("Made", (Desk,), {"work": staticmethod(method) if is_static else method})
    return next(iter(describe(made).jobs.values()))


WRONG: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {
    "neither schedule": ((), {}, "one of them"),
    "both schedules": ((DAILY,), {"every": 60}, "one of them"),
    "a year": (("0 0 1 1 * 0 2027",), {}, "year"),
    "never due": (("0 0 30 2 *",), {}, "never due"),
    "interval of 0": ((), {"every": 0}, "interval"),
    "interval of a fraction": ((), {"every": timedelta(seconds=1.5)}, "interval"),
    "interval of years": ((), {"every": timedelta(days=1_000)}, "interval"),
    "true interval": ((), {"every": True}, "interval"),
    "interval as text": ((), {"every": "1h"}, "interval"),
    "anchored cron": ((DAILY,), {"anchor": "created"}, "anchor"),
    "unknown anchor": ((), {"every": 60, "anchor": "now"}, "anchor"),
    "anchor that is no text": ((), {"every": 60, "anchor": []}, "anchor"),
    "interval in a timezone": ((), {"every": 60, "timezone": "Europe/Berlin"}, "timezone"),
    "interval in each session's timezone": ((), {"every": 60, "timezone": "session"}, "timezone"),
    "unknown timezone": ((DAILY,), {"timezone": "Mars/Base"}, "IANA"),
    "timezone that is no text": ((DAILY,), {"timezone": UTC}, "IANA"),
    "no timezone": ((DAILY,), {"timezone": None}, "IANA"),
    "unknown overlap": ((DAILY,), {"overlap": "drop"}, "'skip', 'queue', 'cancel'"),
    "unknown catch-up": ((DAILY,), {"catch_up": "some"}, "'one', 'all', 'none'"),
    "catch-up that is no text": ((DAILY,), {"catch_up": []}, "catch_up"),
    "negative window": ((DAILY,), {"catch_up_window": -1}, "catch_up_window"),
    "window without end": ((DAILY,), {"catch_up_window": float("inf")}, "catch_up_window"),
    "window as timedelta": ((DAILY,), {"catch_up_window": timedelta(1)}, "catch_up_window"),
    "negative jitter": ((DAILY,), {"jitter": -1}, "jitter"),
    "true jitter": ((DAILY,), {"jitter": True}, "jitter"),
    "jitter of nothing": ((DAILY,), {"jitter": float("nan")}, "jitter"),
    "jitter of a day, daily": ((DAILY,), {"jitter": 86_400}, "86400 seconds between"),
    "jitter of an hour, twice one hour apart": (("0 9,10 * * 1",), {"jitter": 3_600}, "3600 seconds between"),
    "jitter of the interval": ((), {"every": 60, "jitter": 60}, "60 seconds between"),
    "jitter of months": (("@yearly",), {"jitter": 86_400 * 31}, "jitter"),
    "unknown field": ((DAILY,), {"where": {"state.plam": "pro"}}, "state.plam"),
    "value of another type": ((DAILY,), {"where": {"state.plan": 5}}, "state.plan"),
    "condition as text": ((DAILY,), {"where": "plan = 'pro'"}, "where"),
    "temporary as text": ((DAILY,), {"temporary": "yes"}, "temporary"),
    "two limits": ((DAILY,), {"timeout": 5, "time_limit": 5}, "time_limit"),
    "no time": ((DAILY,), {"time_limit": 0}, "timeout"),
    "bad name": ((DAILY,), {"name": "a b"}, "job name"),
    "static, where": ((DAILY,), {"is_static": True, "where": {"state.plan": "pro"}}, "where"),
    "static, temporary": ((DAILY,), {"is_static": True, "temporary": True}, "temporary"),
    "static, jitter": ((DAILY,), {"is_static": True, "jitter": 5}, "jitter"),
    "static, from creation": ((), {"is_static": True, "every": 60, "anchor": "created"}, "anchor"),
    "static, session's timezone": ((DAILY,), {"is_static": True, "timezone": "session"}, "timezone"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_options_are_refused_and_named(case):
    arguments, options, what = WRONG[case]
    with pytest.raises(DeclarationError) as caught:
        declared(*arguments, **options)
    assert caught.value.where == "Made.work"
    assert what in caught.value.what


def test_where_only_the_schedule_is_right_the_error_says_when_it_is_due():
    due = next_times(declared("0 9 1 1 *"), datetime.now(UTC))
    with pytest.raises(DeclarationError) as caught:
        declared("0 9 1 1 *", timezone="Mars/Base")
    times = ", ".join(f"{one:%Y-%m-%d %H:%M:%S}" for one in due)
    assert f"0 9 1 1 * is due next at {times} UTC" in caught.value.what
    with pytest.raises(DeclarationError, match="6 fields, seconds last"):
        declared("0 9 1 1 * 30", overlap="drop")


def test_what_a_job_is_by_default():
    found = declared(DAILY)
    assert (found.name, found.schedule, found.timezone, found.zone) == ("work", Cron(DAILY), "UTC", ZoneInfo("UTC"))
    assert (found.overlap, found.catch_up, found.catch_up_window) == (Overlap.SKIP, CatchUp.ONE, None)
    assert (found.jitter, found.condition, found.temporary, found.by_creation) == (0, None, False, False)
    assert (found.policy.timeout, found.static, found.is_local) == (300, False, False)


def test_every_option():
    found = declared(
        DAILY,
        name="daily",
        timezone="session",
        overlap="cancel",
        catch_up="all",
        catch_up_window=40 * 86_400,
        jitter=3_600,
        where={"state.plan": "pro"},
        temporary=True,
        time_limit=7,
    )
    assert (found.name, found.timezone, found.is_local, found.zone) == ("daily", "session", True, ZoneInfo("UTC"))
    assert (found.overlap, found.catch_up, found.catch_up_window) == ("cancel", "all", 40 * 86_400)
    assert (found.jitter, found.temporary, found.policy.timeout) == (3_600, True, 7)
    assert isinstance(found.condition, Condition)
    assert declared(every=timedelta(hours=1), anchor="created", timeout=9).policy.timeout == 9


def test_static_jobs_take_what_is_not_of_sessions():
    found = declared(DAILY, is_static=True, timezone="Europe/Berlin", overlap="queue", catch_up="none")
    assert (found.static, found.timezone, found.overlap) == (True, "Europe/Berlin", "queue")
    assert declared(is_static=True, every=60).schedule == Every(60)


def test_intervals_that_begin_with_a_sessions_creation():
    found = declared(every=timedelta(hours=1), anchor="created")
    created = datetime(2025, 6, 1, 9, 12, 30, 5, tzinfo=UTC)
    assert found.begun(created).next(created) == datetime(2025, 6, 1, 10, 12, 30, tzinfo=UTC)
    assert declared(every=3_600).begun(created) == Every(3_600)
    assert next_times(found, created) == []


def test_next_times_are_told_in_the_jobs_timezone():
    now = datetime(2025, 3, 29, 12, tzinfo=UTC)
    found = next_times(declared(DAILY, timezone="Europe/Berlin"), now)
    assert [one.isoformat() for one in found[:2]] == ["2025-03-30T09:00:00+02:00", "2025-03-31T09:00:00+02:00"]
    assert next_times(declared(DAILY, timezone="session"), now, 1) == [datetime(2025, 3, 30, 9, tzinfo=UTC)]


def test_jitter_spreads_sessions_and_keeps_their_places():
    found = declared(DAILY, jitter=1_000)
    delays = [found.delay(f"s{number}").total_seconds() for number in range(1_000)]
    assert 0 <= min(delays) < 50
    assert 950 < max(delays) < 1_000
    assert 400 < sum(delays) / len(delays) < 600
    assert found.delay("s7") == found.delay("s7") == declared(DAILY, jitter=1_000).delay("s7")


def test_what_a_schedule_was_declared_as_is_told_apart():
    texts = {
        declared(DAILY).declaration,
        declared("0 10 * * *").declaration,
        declared(DAILY, timezone="Europe/Berlin").declaration,
        declared(DAILY, timezone="session").declaration,
        declared(every=60).declaration,
        declared(every=60, anchor="created").declaration,
    }
    assert len(texts) == 6


def test_a_declared_method_stays_callable():
    class Made(Agent):
        @job(every=60)
        def work(self) -> str:
            return "done"

    assert Made().work() == "done"
