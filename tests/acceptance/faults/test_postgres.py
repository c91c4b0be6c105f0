"""Postgres stops, crashes or drops its clients: whoever has an acknowledgement keeps it, and all goes on by itself."""

import signal

import pytest

from tests.support.faults_workload import Sender, check_prompt, check_single, working
from tests.support.waiting import wait_until

ACCEPT = "insert into interactions (id"
COMMIT = "finished as ("
"""What only the statement that commits turns has in it."""


def terminate_connections(stack):
    stack.fetch("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'pumice'")


@pytest.mark.parametrize(
    "number", [signal.SIGQUIT, pytest.param(signal.SIGINT, marks=pytest.mark.faults)], ids=["immediate", "fast"]
)
def test_restarted_under_load(stack, number):
    with working(stack) as workload:
        with stack.processes.held("postgres"):
            stack.stop_server("postgres", number)
        stack.wait_servers()
        workload.wait_recovered()
        workload.wait_more()
        check_prompt(stack)
        workload.finish()


@pytest.mark.parametrize("rounds", [3, pytest.param(20, marks=pytest.mark.faults)])
def test_connections_terminated_under_load(stack, rounds):
    with working(stack) as workload:
        for _ in range(rounds):
            terminate_connections(stack)
            workload.wait_recovered()
            workload.wait_more()
        workload.finish()


def test_connections_terminated_in_a_handler(stack):
    """The worker takes its lock again before it is taken for dead, so that its turns go on, and run once."""
    Sender(stack).send("post", "goes-on", 1, "goes-on-ledger", "goes-on")
    worker = stack.processes.pid(stack.at_gate("goes-on"))
    known = stack.fetch("select id from workers where name like %s", f"%:{worker}")[0].id
    terminate_connections(stack)
    locked = "select from pg_locks where locktype = 'advisory' and objid = %s::bigint::oid"
    wait_until(lambda: not stack.has(locked, known), what="the loss of the lock")
    wait_until(lambda: stack.has(locked, known) or not stack.has("select from workers where id = %s", known))
    passes = "select from workers where suspected_at is not null"
    wait_until(lambda: not stack.has(passes), what="a pass of rescue that suspects nobody")
    stack.gates.open("goes-on")
    check_single(stack, "goes-on", "post")
    assert len(stack.gates.attempts("goes-on")) == 1
    assert not stack.has("select from interactions where session_id = 'goes-on' and errors is not null")


def test_connection_terminated_in_a_commit(stack):
    Sender(stack).send("post", "terminated", 1, "terminated-ledger", "terminated")
    stack.at_gate("terminated")
    with stack.locked("select from sessions where id = 'terminated' for update") as unlock:
        stack.gates.open("terminated")
        stack.fetch("select pg_terminate_backend(%s)", stack.wait_blocked(COMMIT))
        unlock()
    check_single(stack, "terminated", "post")
    assert len(stack.gates.attempts("terminated")) == 1


@pytest.mark.parametrize("moment", ["after", pytest.param("before", marks=pytest.mark.faults)])
def test_connection_cut_in_an_accept(stack, moment):
    """Fails when GroupAccept._accept returns its requests as accepted on a StoreAwayError instead of trying again.

    Then a client has a 2xx for an interaction that is not there.
    """

    """`after`: it was accepted, and the front can't know; asking again finds the interaction by its id."""
    session = f"accept-{moment}"
    trap = stack.postgres_proxy.trap(ACCEPT, moment)
    assert Sender(stack).send("add", session, 1, f"{session}-ledger")
    assert trap.sprung.is_set()
    check_single(stack, session, "add")


@pytest.mark.parametrize("moment", ["after", pytest.param("before", marks=pytest.mark.faults)])
def test_connection_cut_in_a_commit(stack, moment):
    """Its turns are not run again, whether the commit happened or not: the same outcome is committed, or found."""
    session = f"commit-{moment}"
    Sender(stack).send("post", session, 1, f"{session}-ledger", session)
    stack.at_gate(session)
    trap = stack.postgres_proxy.trap(COMMIT, moment)
    stack.gates.open(session)
    check_single(stack, session, "post")
    assert trap.sprung.is_set()
    assert len(stack.gates.attempts(session)) == 1


def test_connection_cut_while_a_commit_is_executed(stack):
    """Fails when COMMIT does not ask for the version and commit() does not read back.

    Then the second try of a commit whose first is still being executed is refused or applied twice.
    """

    """The first try is still being executed when the second comes, and the session stays leased after both."""
    sender = Sender(stack)
    sender.send("post", "cut", 1, "", "cut-1")
    stack.at_gate("cut-1")
    sender.post("chat", "cut", 2, "", "cut-2")
    sender.post("post", "cut", 3, "", "cut-3")
    stack.gates.open("cut-1")
    stack.at_gate("cut-2")
    with stack.locked("select from sessions where id = 'cut' for update") as unlock:
        stack.gates.open("cut-2")
        stack.wait_blocked(COMMIT)
        assert stack.postgres_proxy.cut(COMMIT)
        stack.wait_blocked(COMMIT, 2)
        unlock()
    stack.gates.open("cut-3")
    stack.at_gate("cut-3")
    check_single(stack, "cut", "post", "chat", "post", ledger=False)


@pytest.mark.parametrize(
    ("route", "text"),
    [("chat", "select role, content, data from"), pytest.param("add", "select body from", marks=pytest.mark.faults)],
)
def test_connection_cut_while_a_turn_reads(stack, route, text):
    """It is no fault of the handler's: the turn runs again, before what comes after it."""
    sender = Sender(stack)
    sender.padding = "x" * 100_000
    session = f"reads-{route}"
    stack.postgres_proxy.cut()
    trap = stack.postgres_proxy.trap(text, "before")
    assert sender.send(route, session, 1, f"{session}-ledger")
    assert trap.sprung.is_set()
    check_single(stack, session, route)
