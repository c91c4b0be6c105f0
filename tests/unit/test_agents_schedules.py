"""Schedules that an agent makes, as it asks for them; and when they are due."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice import Agent
from pumice.agents.due_times import MOST_MISSED, DueTimes, due_times
from pumice.agents.json_text import loads
from pumice.agents.scheduling import NewSchedule, ScheduleChange, Unschedule, changes_of
from pumice.errors import SerializationError, TurnOverError

NOON = datetime(2026, 3, 28, 12, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


class Planner(Agent):
    def remind(self, what, *, loud=False): ...

    def put(self, key, value): ...

    def named(self, *, key): ...

    def zoned(self, timezone="UTC"): ...

    def any(self, **fields): ...


@pytest.fixture
def planner() -> Planner:
    return Planner()


def asked(planner: Planner) -> NewSchedule:
    [one] = planner.turn.schedules
    assert isinstance(one, NewSchedule)
    return one


def test_a_call_with_a_key_is_a_schedule_and_one_without_is_a_call(planner):
    assert planner.schedule(timedelta(minutes=1), "remind", "a", key="k", loud=True) == "k"
    one = asked(planner)
    assert (one.key, one.method, one.delay, one.at) == ("k", "remind", 60.0, None)
    assert loads(one.payload) == {"args": ["a"], "kwargs": {"loud": True}}
    planner.schedule(NOON, "remind", "a")
    assert len(planner.turn.schedules) == len(planner.turn.calls) == 1


def test_cron_expressions_are_read_in_utc_unless_another_timezone_is_given(planner):
    for zone in (None, "session", "Europe/Berlin"):
        planner.schedule_every("0 9 * * *", "remind", "a", key="k", timezone=zone)
    assert [one.timezone for one in planner.turn.schedules] == ["UTC", "session", "Europe/Berlin"]
    planner.schedule_every(timedelta(hours=1), "remind", "a", key="k")
    assert (planner.turn.schedules[-1].every, planner.turn.schedules[-1].timezone) == (3_600.0, None)


def test_a_schedule_is_cancelled_by_its_key(planner):
    planner.unschedule("k")
    assert planner.turn.schedules == [Unschedule("k")]


@pytest.mark.parametrize("key", ["", "k" * 256, "a\nb", "a\x00", 5, "\ud800"])
def test_a_wrong_key_is_refused_at_once(planner, key):
    for ask in (
        lambda: planner.schedule(1, "remind", "a", key=key),
        lambda: planner.schedule_every("@daily", "remind", "a", key=key),
        lambda: planner.unschedule(key),
    ):
        with pytest.raises(ValueError, match="key: "):
            ask()
    assert planner.turn.schedules == []


@pytest.mark.parametrize(
    ("every", "timezone", "why"),
    [
        ("never", None, "cron: "),
        ("0 0 30 2 *", None, "never due"),
        ("@daily", "Mars/Olympus", "timezone: "),
        ("@daily", "", "timezone: "),
        (timedelta(hours=1), "Europe/Berlin", "timezone: "),
        (timedelta(milliseconds=999), None, "every: "),
        (timedelta.max, None, "every: "),
    ],
)
def test_what_is_never_due_is_refused_at_once(planner, every, timezone, why):
    with pytest.raises(ValueError, match=why):
        planner.schedule_every(every, "remind", "a", key="k", timezone=timezone)


def test_what_is_no_schedule_is_refused_at_once(planner):
    with pytest.raises(TypeError, match="neither"):
        planner.schedule_every(60, "remind", "a", key="k")
    with pytest.raises(ValueError, match="century"):
        planner.schedule(1e12, "remind", "a", key="k")
    with pytest.raises(AttributeError, match="no method 'nothing'"):
        planner.schedule(1, "nothing", key="k")
    with pytest.raises(SerializationError, match="arguments of remind"):
        planner.schedule(1, "remind", object(), key="k")


def test_a_methods_own_key_is_given_by_position_or_refused(planner):
    planner.schedule(1, "put", "its own", 2, key="k")
    assert (asked(planner).key, loads(asked(planner).payload)["args"]) == ("k", ["its own", 2])
    planner.schedule(1, "any", key="k")
    planner.schedule(1, "put", "its own", 2)
    for method in ("put", "named"):
        with pytest.raises(TypeError, match=f"{method}.* has a parameter of that name"):
            planner.schedule(1, method, key="k")
    with pytest.raises(TypeError, match="timezone: zoned"):
        planner.schedule_every("@daily", "zoned", key="k", timezone="UTC")
    planner.schedule_every("@daily", "zoned", key="k")
    planner.schedule_every("@daily", "zoned", "UTC", key="k", timezone="UTC")


def test_a_timezone_is_checked_at_once(planner):
    assert planner.timezone is None
    planner.timezone = "Europe/Berlin"
    assert (planner.timezone, planner.turn.moves) == ("Europe/Berlin", True)
    for wrong in ("Mars/Olympus", "", "../Berlin", "Europe", 5):
        with pytest.raises(ValueError, match=r"timezone: .* no IANA timezone"):
            planner.timezone = wrong
    assert planner.timezone == "Europe/Berlin"
    planner.timezone = None
    assert planner.timezone is None


def test_nothing_is_scheduled_after_the_turn(planner):
    planner.turn.close()
    for ask in (
        lambda: planner.schedule(1, "remind", "a", key="k"),
        lambda: planner.schedule_every("@daily", "remind", "a", key="k"),
        lambda: planner.unschedule("k"),
        lambda: planner.turn.move_to("UTC"),
    ):
        with pytest.raises(TurnOverError):
            ask()


def test_operations_come_to_the_last_of_each_key():
    one, other = (NewSchedule(key="k", method=name, payload="{}", delay=1.0) for name in "ab")
    assert changes_of([one, other]) == [ScheduleChange("k", other, cancels=False)]
    assert changes_of([one, Unschedule("k")]) == [ScheduleChange("k", None, cancels=True)]
    assert changes_of([Unschedule("k"), one, other]) == [ScheduleChange("k", other, cancels=True)]


@given(
    seconds=st.floats(1, 1e6),
    late=st.timedeltas(timedelta(0), timedelta(days=30)),
)
def test_intervals_keep_to_their_beginning(seconds, late):
    step = timedelta(seconds=seconds)
    due = due_times(NOON, NOON + late, cron=None, every=seconds, zone=UTC)
    assert due.at is not None
    assert due.next_at is not None
    assert due.at <= NOON + late < due.next_at
    assert due.next_at - due.at == step
    assert due.at == NOON + due.missed * step


def test_cron_expressions_count_what_was_missed():
    def of(next_at: datetime, now: datetime, cron: str = "0 * * * *") -> DueTimes:
        return due_times(next_at, now, cron=cron, every=None, zone=BERLIN)

    hour = timedelta(hours=1)
    assert of(NOON, NOON) == DueTimes(NOON, 0, NOON + hour)
    assert of(NOON, NOON + 3 * hour) == DueTimes(NOON + 3 * hour, 3, NOON + 4 * hour)
    assert of(NOON + hour / 2, NOON + hour / 2) == DueTimes(None, 0, NOON + hour)
    seconds = of(NOON, NOON + hour, "* * * * * *")
    assert (seconds.at, seconds.missed) == (NOON + hour, MOST_MISSED)


def test_what_is_due_once_is_not_due_again():
    assert due_times(NOON, NOON + timedelta(days=1), cron=None, every=None, zone=UTC) == DueTimes(NOON, 0, None)
