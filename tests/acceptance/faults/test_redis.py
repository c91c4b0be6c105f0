"""Redis loses everything, goes away, stands still or drops its clients: work is late, and none of it lost."""

import signal

import pytest

from tests.support.faults_workload import Sender, check_prompt, check_single, working


def flushed(stack):
    stack.redis.flushall()


def connections_killed(stack):
    for kind in ("normal", "pubsub"):
        stack.redis.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")


def paused(stack):
    """For longer than any client waits for an answer."""
    stack.redis.execute_command("CLIENT", "PAUSE", "8000", "ALL")
    stack.redis.ping()


def restarted_empty(stack):
    with stack.processes.held("redis"):
        stack.processes.kill("redis")
    stack.wait_servers()


@pytest.mark.parametrize(
    "fault", [flushed, connections_killed, restarted_empty, pytest.param(paused, marks=pytest.mark.faults)]
)
def test_under_load(stack, fault):
    """Fails when rescue() returns no wakes: what was accepted while Redis lost its messages stays queued."""

    with working(stack) as workload:
        fault(stack)
        workload.wait_recovered()
        workload.wait_more()
        check_prompt(stack)
        workload.finish()


def test_interactions_are_accepted_without_it(stack):
    """Nobody is woken while Redis is away; what was accepted runs when it is back."""
    with stack.processes.held("redis"):
        stack.processes.kill("redis")
        Sender(stack).send("post", "unannounced", 1, "unannounced-ledger")
    stack.wait_servers()
    check_single(stack, "unannounced", "post")


@pytest.mark.faults
@pytest.mark.faults
@pytest.mark.timeout(240)
@pytest.mark.parametrize("seconds", [45])
def test_away_for_long(stack, seconds):
    """However long it was away, workers find it again soon: they don't wait longer and longer between two tries."""
    with working(stack) as workload:
        with stack.processes.held("redis"):
            stack.stop_server("redis", signal.SIGTERM)
            stack.fetch("select pg_sleep(%s)", seconds)
        stack.wait_servers()
        workload.wait_recovered()
        check_prompt(stack)
        workload.finish()
