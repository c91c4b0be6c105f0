"""kill -9 of a worker: its sessions run again elsewhere, and what it did counts once."""

import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.faults_workload import Sender, check_single, working
from tests.support.waiting import wait_until

COMMIT = "finished as ("
"""What only the statement that commits turns has in it."""


@pytest.mark.parametrize(
    "route",
    ["post", "chat", pytest.param("add", marks=pytest.mark.faults), pytest.param("await", marks=pytest.mark.faults)],
)
def test_in_a_handler(stack, route):
    """Fails when rescue() leaves expired leases alone: the session of the dead worker never runs again."""

    session = f"handler-{route}"
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(Sender(stack).send, route, session, 1, f"{session}-ledger", session)
        stack.processes.kill(stack.at_gate(session))
        stack.gates.open(session)
        assert answer.result()
    check_single(stack, session, route)
    assert len(stack.gates.attempts(session)) == 2


@pytest.mark.parametrize("outcome", ["committed", pytest.param("undone", marks=pytest.mark.faults)])
def test_while_its_commit_is_executed(stack, outcome):
    session = f"commit-{outcome}"
    Sender(stack).send("post", session, 1, f"{session}-ledger", session)
    worker = stack.at_gate(session)
    with stack.locked("select from sessions where id = %s for update", session) as unlock:
        stack.gates.open(session)
        backend = stack.wait_blocked(COMMIT)
        stack.processes.kill(worker)
        if outcome == "undone":
            stack.fetch("select pg_terminate_backend(%s)", backend)
        unlock()
        check_single(stack, session, "post")
    assert len(stack.gates.attempts(session)) == (1 if outcome == "committed" else 2)


def test_between_its_commit_and_what_follows(stack):
    """The look for what arrived meanwhile, and the wake of the ledger, don't happen."""
    sender = Sender(stack)
    sender.send("post", "look", 1, "look-ledger", "look")
    worker = stack.at_gate("look")
    sender.send("post", "look", 2, "look-ledger")
    with stack.locked("select from sessions where id = 'look' for update") as unlock:
        stack.gates.open("look")
        stack.wait_blocked(COMMIT)
        stack.processes.send(worker, signal.SIGSTOP)
        unlock()
        done = "select from interactions where dedupe_key = 'look/1' and status = 'done'"
        wait_until(lambda: stack.has(done), what="the commit")
        stack.processes.kill(worker)
    check_single(stack, "look", "post", "post")
    assert len(stack.gates.attempts("look")) == 1


@pytest.mark.parametrize("rounds", [2, pytest.param(10, marks=pytest.mark.faults)])
def test_under_load(stack, rounds):
    with working(stack) as workload:
        for place in range(rounds):
            worker = ("worker", "worker2")[place % 2]
            stack.processes.kill(worker)
            stack.wait_ready(worker)
            workload.wait_recovered()
            workload.wait_more()
        workload.finish()


def test_all_of_them(stack):
    with working(stack) as workload:
        stack.processes.kill("worker", "worker2")
        stack.wait_ready("worker", "worker2")
        workload.wait_recovered()
        workload.finish()
