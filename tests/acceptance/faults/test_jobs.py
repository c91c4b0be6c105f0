"""Ticks: each reaches each session once, whoever inserts it and whoever is killed in the fan-out."""

import random
import signal
from datetime import datetime
from functools import partial

import pytest

from tests.support.states import STATE, stored_state
from tests.support.waiting import wait_until

SESSIONS = 5_500
"""More than a page of a fan-out."""
DUE = datetime.fromisoformat("2024-02-29T00:00:00+00:00")
TICKS = "select scheduled_for, done_at from ticks where agent_id = 'ticking' order by scheduled_for desc"


@pytest.fixture
def ticking(stack, request):
    """A session that notes ticks."""
    session = request.node.name
    stack.fetch("insert into sessions (agent_id, id) values ('ticking', %s)", session)
    yield session
    stack.fetch("delete from sessions where agent_id = 'ticking'")


@pytest.fixture
def wide(stack):
    """Many sessions that a tick can be fanned out to."""
    stack.fetch(
        "insert into sessions (agent_id, id) select 'wide', 'wide-' || lpad(n::text, 5, '0')"
        f" from generate_series(0, {SESSIONS - 1}) n"
    )
    yield
    stack.fetch("delete from interactions where agent_id = 'wide'")
    stack.fetch("delete from sessions where agent_id = 'wide'")
    stack.fetch("delete from ticks where agent_id = 'wide'")


def noted(stack, session):
    [row] = stack.fetch(f"select {STATE} from sessions where agent_id = 'ticking' and id = %s", session)
    state = stored_state(row)
    return state["ticks"] if state else []


def check_ticks(stack, session):
    """Every finished tick since the session was made reached it once."""
    due = stack.fetch(
        "select scheduled_for::text as due from ticks t join sessions s using (agent_id)"
        " where s.id = %s and t.scheduled_for > s.created_at and t.done_at is not null order by t.scheduled_for",
        session,
    )
    wait_until(lambda: set(noted(stack, session)) >= {row.due + ":00" for row in due}, 15, "every tick in the state")
    seen = noted(stack, session)
    assert sorted(seen) == sorted(set(seen))


def test_two_beats_make_each_tick_once(stack, ticking):
    wait_until(lambda: len(noted(stack, ticking)) >= 4, 30)
    check_ticks(stack, ticking)
    logs = stack.processes.log("beat") + stack.processes.log("beat2")
    for tick in noted(stack, ticking):
        assert logs.count(f"scheduled_for={tick.replace(' ', 'T')}") == 1


def test_beat_killed_between_tick_and_fan_out(stack, ticking):
    stack.broker_proxy.stall()
    newest = stack.fetch(TICKS)[0].scheduled_for if stack.has(TICKS) else DUE
    wait_until(lambda: stack.has(TICKS) and stack.fetch(TICKS)[0].scheduled_for > newest, 20)
    unsent = stack.fetch(TICKS)[0]
    assert unsent.done_at is None
    stack.processes.kill("beat", "beat2")
    stack.broker_proxy.cut()
    stack.broker_proxy.resume()
    wait_until(lambda: str(unsent.scheduled_for) in noted(stack, ticking), 15)
    stack.wait_ready()
    wait_until(lambda: len(noted(stack, ticking)) >= 3, 15)
    check_ticks(stack, ticking)


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGSTOP, marks=pytest.mark.faults)])
def test_worker_ended_in_the_middle_of_a_fan_out(stack, wide, number):
    """Fails when a run is not unique and ADVANCE does not note how far a page came.

    Then the fan-out that another goes on with makes a second interaction for sessions that have one.
    """

    """The second page waits for a row of the test's. Nothing of that page is kept; another fan-out goes on there."""
    taken = (
        "insert into interactions (id, agent_id, session_id, kind, name, payload, scheduled_for)"
        " values (gen_random_uuid(), 'wide', 'wide-05200', 'job', 'note', '{}', %s)"
    )
    with stack.locked(taken, DUE) as unlock:
        stack.fetch(
            "insert into ticks (agent_id, job, scheduled_for, next_at)"
            " values ('wide', 'note', %s, now() - interval '1 minute')",
            DUE,
        )
        stack.wait_blocked("fan_out_page ")
        assert stack.fetch("select cursor from ticks where agent_id = 'wide'")[0].cursor == "wide-04999"
        for worker in ("worker", "worker2"):
            stack.processes.send(worker, number)
        unlock()
    if number == signal.SIGSTOP:
        stack.processes.send("worker2", signal.SIGCONT)
    wait_until(
        lambda: stack.has("select from ticks where agent_id = 'wide' and done_at is not null"), 30, "the fan-out"
    )
    undone = "select from sessions where agent_id = 'wide' and state::jsonb is distinct from %s::jsonb"
    state = f'{{"ticks": ["{DUE}"]}}'
    wait_until(lambda: not stack.has(undone, state), 60, "one run in every session")
    assert stack.fetch("select count(*) as count from interactions where agent_id = 'wide'")[0].count == SESSIONS


KILLS = 20
LARGE = 50_000
PROGRESS = "select inserted_at, done_at, sessions, done from ticks where agent_id = 'wide'"


@pytest.fixture
def large(stack):
    """Sessions enough for a tick that takes a while."""
    stack.fetch(
        "insert into sessions (agent_id, id) select 'wide', 'wide-' || lpad(n::text, 5, '0')"
        f" from generate_series(0, {LARGE - 1}) n"
    )
    yield
    for table in ("interactions", "sessions", "ticks"):
        stack.fetch(f"delete from {table} where agent_id = 'wide'")


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", [1])
def test_whatever_is_killed_in_a_large_tick_each_session_runs_once(stack, large, seed):
    """Beats and workers are killed twenty times: while interactions are made, and at each twentieth of the runs."""
    chosen = random.Random(seed)  # noqa: S311 (any order of kills will do)
    ran = "select count(*) as number from interactions where agent_id = 'wide' and status = 'done'"
    stack.fetch("insert into ticks (agent_id, job, scheduled_for) values ('wide', 'note', %s)", DUE)
    for kill in range(KILLS):
        if kill < KILLS // 5:
            made = kill * LARGE // KILLS * 4
            wait_until(partial(lambda least: stack.fetch(PROGRESS)[0].sessions >= least, made), 60, f"{made} made")
        else:
            runs = (kill - KILLS // 5) * LARGE // KILLS
            wait_until(partial(lambda least: stack.fetch(ran)[0].number >= least, runs), 120, f"{runs} runs")
        stack.processes.kill(chosen.choice(("worker", "worker2", "beat", "beat2")))
    wait_until(lambda: stack.fetch(PROGRESS)[0].done_at, 300, "the tick's end")
    undone = (
        "select count(*) as number from sessions where agent_id = 'wide' and state::jsonb is distinct from %s::jsonb"
    )
    assert stack.fetch(undone, f'{{"ticks": ["{DUE}"]}}')[0].number == 0
    assert stack.fetch(ran)[0].number == LARGE
    assert stack.fetch(PROGRESS)[0].done == LARGE
