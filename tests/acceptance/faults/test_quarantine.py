"""Many suspects: whatever killed the worker is found, all the others run again soon, and none of them is blamed."""

import signal
import time

import pytest

from pumice.agents.context import new_id
from pumice.sessions.accept import NewInteraction, accept
from pumice.sessions.connections import StoreConnection
from pumice.settings import Settings
from tests.support.faults_workload import RECOVERY
from tests.support.waiting import wait_until

SLOW = 1000


def accept_all(stack, calls):
    """Accept calls of `(session, method, argument)` together; rescue wakes them together."""
    store = StoreConnection(Settings.from_env({"DATABASE_URL": stack.database_url}))
    made = [
        NewInteraction(new_id(), "checked", session, "call", method, f'{{"args": {arguments}}}')
        for session, method, arguments in calls
    ]
    accept(store, made, temporary_ttl=60, window=60)
    store.close()


@pytest.mark.parametrize("fuses", [(0,), (0, 1), (0, 0, 0.2, 1, 1)], ids=["one", "two", "five"])
def test_poisons_among_200_are_found_and_nothing_else_is_blamed(stack, fuses):
    run = new_id()[-8:]
    calls = [(f"{run}-well-{number:03}", "take", '[1, ""]') for number in range(200 - len(fuses))]
    for place, fuse in enumerate(fuses):
        calls.insert(place * 37 + 5, (f"{run}-poison-{place}", "burn", f"[{fuse}]"))
    accept_all(stack, calls)
    open_ones = "select from interactions where session_id like %s and status = 'queued'"
    wait_until(lambda: not stack.has(open_ones, f"{run}-%"), 90, "the end of all of them")
    rows = stack.fetch("select session_id, status, errors from interactions where session_id like %s", f"{run}-%")
    assert {row.status for row in rows if "well" in row.session_id} == {"done"}
    assert [row.errors for row in rows if "well" in row.session_id and row.errors] == []
    poisons = [row for row in rows if "poison" in row.session_id]
    assert [row.status for row in poisons] == ["dead"] * len(fuses)
    assert {tuple(error["code"] for error in row.errors) for row in poisons} == {("worker-lost",) * 3}


def test_a_thousand_slow_sessions_run_again_in_time(stack):
    """None of their turns ends before all of them run again."""
    run = new_id()[-8:]
    accept_all(stack, [(f"{run}-slow-{number:04}", "dwell", f'["{run}"]') for number in range(SLOW)])
    wait_until(lambda: len(stack.gates.attempts(run)) >= SLOW, 60, "all of them to run")
    stack.processes.kill("worker", "worker2")
    stack.wait_ready()
    ready = time.monotonic()
    wait_until(lambda: len(stack.gates.attempts(run)) >= 2 * SLOW, 60, "all of them to run again")
    assert time.monotonic() - ready < RECOVERY
    stack.gates.open(run)
    open_ones = "select from interactions where session_id like %s and status = 'queued'"
    wait_until(lambda: not stack.has(open_ones, f"{run}-%"), 60, "the end of all of them")
    rows = stack.fetch("select status, errors from interactions where session_id like %s", f"{run}-%")
    assert {(row.status, row.errors) for row in rows} == {("done", None)}


def test_a_stop_hands_a_group_back_without_suspicion(stack):
    run = new_id()[-8:]
    sessions = [f"{run}-{number}" for number in range(2)]
    [group] = stack.fetch("select nextval('suspect_groups') as id")
    accept_all(stack, [(session, "pass_gate", f'["{run}"]') for session in sessions])
    stack.fetch("update sessions set probation = true, suspect_group = %s where id like %s", group.id, f"{run}-%")
    wait_until(lambda: len(stack.gates.attempts(run)) == 2, 30, "both in quarantine")
    for worker in ("worker", "worker2"):
        stack.processes.send(worker, signal.SIGTERM)
    wait_until(lambda: len(stack.gates.attempts(run)) == 4, 60, "both in another quarantine")
    rows = stack.fetch("select probation, suspect_group from sessions where id like %s", f"{run}-%")
    assert rows == [(True, group.id)] * 2
    stack.gates.open(run)
    open_ones = "select from interactions where session_id like %s and status = 'queued'"
    wait_until(lambda: not stack.has(open_ones, f"{run}-%"), 30, "the end of both")
    rows = stack.fetch(
        "select status, attempts, crashes, errors from interactions where session_id like %s", f"{run}-%"
    )
    assert rows == [("done", 1, 0, None)] * 2
    wait_until(lambda: not stack.has("select from sessions where id like %s and probation", f"{run}-%"), 30, "trust")
