"""Scheduling and calling, as an agent asks for it."""

from datetime import UTC, datetime, timedelta

import pytest

from pumice import Agent
from pumice.errors import InvalidField, SerializationError


class Planner(Agent):
    def plan(self, make):
        return make(self)


@pytest.mark.parametrize(
    ("when", "at", "delay"),
    [
        (5, None, 5),
        (-5, None, 0),
        (timedelta(hours=1), None, 3600),
        (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC), 0),
    ],
)
def test_when_a_call_may_be_scheduled(when, at, delay):
    agent = Planner()
    agent.schedule(when, "plan", 1)
    assert (agent.turn.calls[0].at, agent.turn.calls[0].delay) == (at, delay)


@pytest.mark.parametrize(
    "when",
    [
        datetime(2026, 1, 1),  # noqa: DTZ001 (the point)
        datetime(9000, 1, 1, tzinfo=UTC),
        float("nan"),
        float("inf"),
        1e12,
        timedelta.max,
    ],
)
def test_when_no_call_can_be_scheduled(when):
    with pytest.raises(ValueError, match="schedule"):
        Planner().schedule(when, "plan")


@pytest.mark.parametrize("method", ["missing", "reply", "schedule", "_callable", "state", "model"])
def test_only_the_authors_methods_can_be_called(method):
    with pytest.raises(AttributeError, match=method):
        Planner().call("other", method)


def test_calls_check_what_they_are_given():
    with pytest.raises(InvalidField):
        Planner().call("", "plan")
    with pytest.raises(SerializationError, match=r"arguments of plan\.args\[0\]"):
        Planner().call("other", "plan", object())
