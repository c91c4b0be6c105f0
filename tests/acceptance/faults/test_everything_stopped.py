"""SIGTERM to every process at once, as a platform does it at a deployment, with turns under way."""

import signal

import pytest

from tests.support.faults_workload import Sender, check_single, working
from tests.support.waiting import wait_until


@pytest.mark.parametrize(
    "services", [("worker", "worker2", "beat", "beat2"), pytest.param(None, marks=pytest.mark.faults)]
)
def test_turns_in_flight(stack, services):
    """A turn that ends within the worker's patience is finished; a longer one is handed back and runs again."""
    services = services or stack.services
    sender = Sender(stack)
    for session in ("short", "long"):
        sender.send("post", session, 1, f"{session}-ledger", session)
        stack.at_gate(session)
    with working(stack) as workload:
        with stack.processes.held(*services):
            for name in services:
                stack.processes.send(name, signal.SIGTERM)
            stack.gates.open("short")
            wait_until(
                lambda: stack.processes.ended(*services), 30, "the end of all, within the 30 s that Heroku gives"
            )
        assert {code for name in services for code in stack.processes.codes(name)[-1:]} == {0}
        stack.gates.open("long")
        stack.wait_ready()
        workload.wait_recovered()
        workload.finish()
    check_single(stack, "short", "post")
    check_single(stack, "long", "post")
    assert len(stack.gates.attempts("short")) == 1
    assert len(stack.gates.attempts("long")) == 2
