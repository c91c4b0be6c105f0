"""An interaction that kills its worker, again and again, is given up; its neighbours are not."""

import pytest

from pumice.agents.context import new_id
from pumice.sessions.accept import NewInteraction, accept
from pumice.sessions.connections import StoreConnection
from pumice.settings import Settings
from tests.support.faults_workload import check_done, check_ledger
from tests.support.waiting import wait_until

HEALTHY = 20


def interaction(session, name, arguments):
    return NewInteraction(new_id(), "checked", session, "call", name, f'{{"args": [{arguments}]}}')


@pytest.fixture
def suspects(stack):
    """Sessions that a lost worker held, freed by rescue, whose wakes were lost too."""
    names = [f"suspect-{number}" for number in range(3)]
    for name in names:
        stack.fetch("insert into sessions (agent_id, id) values ('checked', %s)", name)
    yield names
    stack.fetch("delete from interactions where session_id like 'suspect-%%'")
    stack.fetch("delete from sessions where id like 'suspect-%%'")


def make_due(stack, session):
    """In one step: a suspect that has nothing to do is trusted."""
    stack.fetch(
        "with suspect as (update sessions set probation = true, suspect_group = nextval('suspect_groups')"
        " where agent_id = 'checked' and id = %s returning id)"
        " insert into interactions (id, agent_id, session_id, kind, name, payload)"
        " select gen_random_uuid(), 'checked', id, 'call', 'take', '{\"args\": [1, \"\"]}' from suspect",
        session,
    )


def test_suspects_are_run_in_quarantine(stack, suspects):
    """Ordinary claims pass them by: only a quarantine runs them."""
    for session in suspects:
        make_due(stack, session)
    check_done(stack, "suspect-")


def test_a_suspect_that_cannot_be_announced_is_let_go(stack, suspects):
    stack.postgres_proxy.cut()
    trap = stack.postgres_proxy.trap("set started_at = clock_timestamp() from sessions", "before")
    make_due(stack, suspects[0])
    check_done(stack, "suspect-")
    assert trap.sprung.is_set()


def test_it_is_dead_and_its_neighbours_are_done(stack):
    """Nobody is told of them: one wake of rescue's names all, so that they are claimed and lost together."""
    settings = Settings.from_env({"DATABASE_URL": stack.database_url})
    together = [interaction(f"well-{n:02}", "take", '1, "well-ledger"') for n in range(HEALTHY)]
    together.insert(HEALTHY // 2, interaction("poison", "die", "null"))
    accept(StoreConnection(settings), together, temporary_ttl=60, window=60)
    alive = "select from interactions where session_id ~ '^(poison|well)' and status = 'queued'"
    wait_until(lambda: not stack.has(alive), 60, "the end of all of them")
    rows = stack.fetch(
        "select session_id, status, attempts, reason, errors from interactions where session_id ~ '^well-..$'"
    )
    assert [row.status for row in rows] == ["done"] * HEALTHY
    assert [row.errors for row in rows] == [None] * HEALTHY
    dead = stack.fetch("select status, attempts, reason, errors from interactions where session_id = 'poison'")[0]
    assert dead.status == "dead"
    assert len(dead.errors) == settings.crash_limit
    assert dead.attempts == len(stack.gates.attempts("poison")) > settings.crash_limit
    assert {error["type"] for error in dead.errors} == {"WorkerLost"}
    check_ledger(stack, "well-ledger", {f"well-{n:02}": 1 for n in range(HEALTHY)})
