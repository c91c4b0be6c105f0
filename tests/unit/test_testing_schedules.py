"""Schedules and timezones of a test's session, by its clock."""

from datetime import UTC, datetime, timedelta

import pytest

from pumice import Agent, Retry, testing

START = datetime(2026, 3, 28, 12, tzinfo=UTC)
"""The day before Berlin's clocks change."""


class Planner(Agent):
    class State(Agent.State):
        told: list[str] = []
        busy: bool = False

    def start(self):
        self.schedule_every("0 9 * * *", "tell", "morning", key="morning", timezone="session")

    def every(self, seconds):
        self.schedule_every(timedelta(seconds=seconds), "tell", "tick", key="tick")

    def once(self, seconds, what="once"):
        self.schedule(seconds, "tell", what, key="once")

    def cancel(self, key):
        self.unschedule(key)

    def move(self, zone):
        self.timezone = zone

    def fail(self):
        self.timezone = "Asia/Tokyo"
        self.every(5)
        raise ValueError("after it scheduled")

    def tell(self, what):
        if self.state.busy:
            raise Retry(after=95)
        at = self.interaction.scheduled_for
        self.state.told.append(f"{what} {at:%d %H:%M:%S} {self.interaction.missed}")

    def hold(self, busy):
        self.state.busy = busy


@pytest.fixture
def session():
    return testing.session(Planner, "s", now=START)


def test_the_same_schedule_on_each_start_is_one_and_keeps_its_time(session):
    session.call("every", 100)
    session.advance(60)
    session.call("every", 100)
    assert list(session.schedules) == ["tick"]
    assert session.schedules["tick"].next_at == START + timedelta(seconds=100)
    session.call("every", 50)
    assert session.schedules["tick"].next_at == session.now + timedelta(seconds=50)


def test_the_clock_fires_schedules_when_they_are_due(session):
    session.call("every", 60)
    session.call("once", 90)
    session.advance(150)
    assert session.state.told == ["tick 28 12:01:00 0", "once 28 12:01:30 0", "tick 28 12:02:00 0"]
    assert list(session.schedules) == ["tick"]


def test_a_schedule_in_the_sessions_timezone_moves_with_it_and_with_its_clocks(session):
    session.call("start")
    session.call("move", "Europe/Berlin")
    session.advance(timedelta(days=2))
    session.timezone = "Asia/Tokyo"
    session.advance(timedelta(days=1))
    assert session.timezone == "Asia/Tokyo"
    assert session.state.told == ["morning 29 07:00:00 0", "morning 30 07:00:00 0", "morning 31 00:00:00 0"]


def test_a_recurring_one_folds_while_its_last_run_is_not_finished(session):
    session.call("every", 60)
    session.call("hold", busy=True)
    session.advance(60)
    session.advance(60)
    session.call("hold", busy=False)
    session.advance(120)
    assert session.state.told == ["tick 28 12:01:00 0", "tick 28 12:03:00 1", "tick 28 12:04:00 0"]


def test_one_is_cancelled_by_its_key_with_what_waits_of_it(session):
    session.call("every", 60)
    session.call("hold", busy=True)
    session.advance(60)
    session.call("cancel", "tick")
    session.call("hold", busy=False)
    session.advance(600)
    assert session.state.told == []
    assert session.schedules == {}
    assert "cancelled" in [one.status for one in session.interactions]


def test_a_failed_turn_changes_nothing(session):
    with pytest.raises(ValueError, match="after it scheduled"):
        session.call("fail")
    assert (session.schedules, session.timezone) == ({}, None)


def test_what_is_scheduled_may_be_run_at_once(session):
    session.call("once", 3_600)
    session.call("start")
    session.run_scheduled()
    assert session.state.told == ["once 28 13:00:00 0", "morning 29 09:00:00 0"]
    assert session.schedules["morning"].next_at == datetime(2026, 3, 30, 9, tzinfo=UTC)
    assert session.schedules["morning"].args == ("morning",)
