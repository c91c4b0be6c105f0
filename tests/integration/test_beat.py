"""Jobs from the clock to the sessions, with two beats at once: each tick reaches each session exactly once."""

import signal
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from tests.support.client import new_session
from tests.support.waiting import wait_until

DUE = "select scheduled_for from ticks where agent_id = 'ticker' and job = %s order by scheduled_for"
OPEN = """
select 1 as n from ticks where done_at is null union all
select 1 from interactions where status = 'queued' and kind = 'job'
"""


@pytest.fixture(scope="module")
def ticked(stack):
    """The sessions a, b and temporary, after some seconds of the agent's jobs, and when these began."""
    client, names = stack.agent("ticker"), [new_session(), new_session()]
    for name in names:
        client.reply("x", name)
    temporary = client.chat("x").json()["sessionId"]
    with ExitStack() as opened:
        beats = [opened.enter_context(stack.process("beat")) for _ in range(2)]
        wait_until(lambda: all(len(client.state(name)["times"]) >= 2 for name in names), 40, "two ticks")
        for beat in beats:
            beat.send(signal.SIGTERM)
    wait_until(lambda: not stack.query(OPEN), 20, "the end of all ticks")
    return names, temporary


def due(stack, job):
    return [row["scheduled_for"] for row in stack.query(DUE, job)]


def test_every_session_runs_once_at_each_due_time(stack, ticked):
    ticks = due(stack, "tick")
    assert all(tick.microsecond == 0 for tick in ticks)
    for name in ticked[0]:
        times = [datetime.fromisoformat(time) for time in stack.agent("ticker").state(name)["times"]]
        assert times == ticks


def test_async_jobs_run_too(stack, ticked):
    ticks = due(stack, "tick_async")
    for name in ticked[0]:
        runs = [one for one in stack.agent("ticker").interactions(name) if one["name"] == "tick_async"]
        assert [datetime.fromisoformat(one["scheduledFor"]) for one in runs] == ticks
        assert {one["status"] for one in runs} == {"done"}


def test_temporary_sessions_are_left_alone(stack, ticked):
    assert {one["kind"] for one in stack.agent("ticker").interactions(ticked[1])} == {"chat"}


def test_static_jobs_run_once_for_all(stack, ticked, ticks_file):
    assert ticks_file.read_text() == "once\n" * len(due(stack, "once"))


def test_sessions_that_only_jobs_have_are_not_listed(stack, ticked):
    listed = [one["sessionId"] for one in stack.agent("ticker").sessions().json()["sessions"]]
    assert set(ticked[0]) <= set(listed)
    assert not any(name.startswith("$") for name in listed)


def test_a_beat_that_comes_back_catches_up_with_the_latest_only(stack, ticked):
    client, name = stack.agent("ticker"), ticked[0][0]
    before = due(stack, "tick")
    with stack.process("beat"):
        wait_until(lambda: len(due(stack, "tick")) >= len(before) + 2, 40, "two more ticks")
    wait_until(lambda: not stack.query(OPEN), 20, "the end of all ticks")
    after = due(stack, "tick")[len(before) :]
    assert (after[1] - after[0]).total_seconds() <= 2
    assert after[-1] <= datetime.now(UTC)
    times = [datetime.fromisoformat(time) for time in client.state(name)["times"]]
    assert times == [*before, *after]
