"""Cancelling and merging act on the interaction that runs, also when one before it was committed later."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import pytest

from pumice.sessions.busy_policy import accept_busy
from pumice.sessions.cancel import cancel
from pumice.sessions.running import UnsureError, find_running, when_sure
from tests.support.protocol import AGENT, DAY, new

LATE = """
insert into interactions (id, seq, agent_id, session_id, kind, name, payload, available_at)
overriding system value
select pumice_uuid7(), min(seq) - 1, agent_id, session_id, 'hook', 'late', '{}', min(available_at)
from interactions group by agent_id, session_id returning id::text as id
"""
"""One that came before all others, and was committed after the claim."""


@pytest.fixture
def claimed(protocol):
    """A chat that runs and is announced, behind a hook that nobody has claimed."""
    protocol.accept(new(kind="chat", name=None, payload='{"messages": [], "history": "append"}'))
    one = protocol.claim_one(limit=1)
    protocol.late = protocol.query(LATE)[0]["id"]
    protocol.query("update interactions set started_at = now() where id = %s", one.work[0].id)
    return one


def test_the_one_that_runs_is_cancelled(protocol, claimed):
    outcome = cancel(protocol.store, AGENT, "s", queued=False)
    assert outcome is not None
    assert [one.id for one, _ in outcome.interactions] == [claimed.work[0].id]
    assert protocol.statuses() == ["queued", "cancelled"]


def test_the_one_that_runs_is_not_dropped_for_a_newer_chat(protocol, claimed):
    newer = new(kind="chat", name=None, payload='{"messages": [], "history": "append"}')
    admission = accept_busy(protocol.store, newer, "latest", temporary_ttl=60, window=DAY)
    assert list(admission.superseded) == []
    assert protocol.statuses() == ["queued", "queued", "queued"]


def test_a_lone_one_is_cancelled_though_it_is_not_announced(protocol):
    protocol.accept(new())
    one = protocol.claim_one()
    outcome = cancel(protocol.store, AGENT, "s", queued=False)
    assert outcome is not None
    assert [closed.id for closed, _ in outcome.interactions] == [one.work[0].id]


class Row(NamedTuple):
    id: str
    available_at: datetime
    started_at: datetime | None = None


NOW = datetime.now(UTC)
BEFORE, AFTER = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("due", "running"),
    [
        ([], None),
        ([Row("a", BEFORE)], "a"),
        ([Row("a", AFTER), Row("b", BEFORE)], "b"),
        ([Row("a", BEFORE), Row("b", BEFORE, AFTER)], "b"),
        ([Row("a", BEFORE, NOW), Row("b", BEFORE, AFTER)], "b"),
    ],
)
def test_what_is_announced_runs_else_what_alone_was_due(due, running):
    assert find_running(due, NOW, sure=True) == running


@pytest.mark.parametrize("started", [None, BEFORE])
def test_of_several_that_are_not_announced_under_this_lease_any_could_run(started):
    due = [Row("a", BEFORE), Row("b", BEFORE, started)]
    assert find_running(due, NOW, sure=False) == "a"
    with pytest.raises(UnsureError):
        find_running(due, NOW, sure=True)


def test_who_is_unsure_asks_again_and_in_the_end_guesses():
    asked: list[bool] = []

    def attempt(sure: bool) -> str:
        asked.append(sure)
        if sure and len(asked) < 3:
            raise UnsureError
        return "known" if sure else "guessed"

    assert when_sure(attempt) == "known"
    assert asked == [True] * 3

    def never(sure: bool) -> str:
        if sure:
            raise UnsureError
        return "guessed"

    assert when_sure(never) == "guessed"
