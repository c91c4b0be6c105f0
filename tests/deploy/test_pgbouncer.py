"""Behind PgBouncer in transaction mode, where each statement may run on another connection of Postgres."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest

from pumice.cli.database import upgrade_schema
from tests.deploy import servers
from tests.deploy.daemons import running
from tests.deploy.journey import try_everything
from tests.support.databases import database
from tests.support.waiting import wait_until


@pytest.fixture
def pooled(open_folder, postgres_server):
    """Settings for a database that was made and migrated through PgBouncer."""
    with database(postgres_server.url("postgres")) as name:
        daemon, url = servers.pgbouncer(open_folder, postgres_server.url(name))
        with running(daemon):
            upgrade_schema(url)
            upgrade_schema(url)
            yield {"DATABASE_URL": url, "DATABASE_POOLED": "true"}


@pytest.mark.deploy
def test_everything_works(deploy, pooled):
    with deploy(**pooled) as stack, ThreadPoolExecutor(20) as pool:
        desk = stack.agent("desk")
        try_everything(desk)
        bodies = [{"session": f"many-{place % 10}", "note": str(place)} for place in range(200)]
        answers = list(pool.map(lambda body: desk.hook("note", json=body), bodies))
        assert {answer.status_code for answer in answers} == {200}
        assert sum(len(desk.state(f"many-{place}")["notes"]) for place in range(10)) == 200
        worst = [process.output for process in stack.shared.values() if "Traceback" in process.output]
        assert not worst


@pytest.mark.deploy
def test_a_killed_workers_session_runs_again(deploy, pooled, gates):
    with deploy(**pooled) as stack, stack.worker(LEASE_SECONDS="3"):
        desk = stack.agent("desk")
        desk.hook("later", json={"session": "lost", "note": "once", "gate": "lost"})
        (pid,) = wait_until(lambda: gates.attempts("lost"), 20)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: len(gates.attempts("lost")) == 2, 40, "a second attempt, in the other worker")
        gates.open("lost")
        wait_until(lambda: desk.state("lost")["notes"] == ["once"], 20, "the note")
