"""A worker that stands still (SIGSTOP) for longer than its leases, and then goes on as if nothing had happened."""

import re
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.faults_workload import Sender, check_single
from tests.support.waiting import wait_until

SUSPECT = "update workers w set suspected_at"


@pytest.mark.parametrize("route", ["post", pytest.param("await", marks=pytest.mark.faults)])
def test_past_its_lease_it_cannot_commit(stack, route):
    """Fails when COMMIT asks neither for the lease's token nor for the version.

    Then the effects of the worker that stood still are added to those of the worker that took over.
    """

    session = f"stopped-{route}"
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(Sender(stack).send, route, session, 1, f"{session}-ledger", session)
        stopped = stack.at_gate(session)
        stack.processes.send(stopped, signal.SIGSTOP)
        stack.gates.open(session)
        assert answer.result()
    check_single(stack, session, route)
    stack.processes.send(stopped, signal.SIGCONT)
    refused = rf"(fenced|lease_lost) agent=checked session={session}\b"
    wait_until(
        lambda: re.search(refused, stack.processes.log(stopped)), what="that it says that its commit was refused"
    )
    check_single(stack, session, route)
    assert len(stack.gates.attempts(session)) == 2


def test_in_the_middle_of_a_rescue_it_holds_up_no_other(stack):
    """It stands still inside a transaction in which it is the elected rescuer; another has to be elected."""
    with stack.processes.held("worker2"):
        stack.processes.kill("worker2")
        stack.fetch("insert into workers (name, holds_lock) values ('nobody', true)")
        with stack.locked("select from workers where name = 'nobody' for update") as unlock:
            stack.wait_blocked(SUSPECT)
            stack.processes.send("worker", signal.SIGSTOP)
            unlock()
    stack.wait_ready("worker2")
    stack.fetch(
        "insert into interactions (id, agent_id, session_id, kind, name, payload)"
        " values (gen_random_uuid(), 'checked', 'unwoken', 'call', 'take', '{\"args\": [1, \"\"]}')"
    )
    done = "select from interactions where session_id = 'unwoken' and status = 'done'"
    wait_until(lambda: stack.has(done), 15, "work that only rescue can find")
