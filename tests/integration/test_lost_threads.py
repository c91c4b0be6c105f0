"""Handlers that never return, and async ones that block the loop: the worker stays as able as before."""

from collections.abc import Iterator

import pytest

from pumice.dev.postgres import Postgres
from pumice.dev.valkey import Valkey
from tests.support.client import new_session
from tests.support.control import accept, started
from tests.support.databases import ExternalServer, database
from tests.support.gates import Gate
from tests.support.stack import Stack, running_stack
from tests.support.waiting import wait_until

AGENTS = ",".join(
    f"{name}=tests.support.agents_control:{cls}"
    for name, cls in {"stuck": "Stuck", "blocking": "Blocking", "plain": "Echo"}.items()
)
REDIS_DATABASE = 10


@pytest.fixture(scope="module")
def small(
    postgres_server: Postgres | ExternalServer, valkey_server: Valkey | ExternalServer, migrated_template: str
) -> Iterator[Stack]:
    """A front and a worker of two threads."""
    with database(postgres_server.url("postgres"), migrated_template) as name:
        servers = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(REDIS_DATABASE)}
        with running_stack({**servers, "WORKER_CONCURRENCY": "2", "LEASE_SECONDS": "3"}, AGENTS) as running:
            yield running


def counted(stack: Stack, name: str) -> int:
    return sum(row["value"] for row in stack.query("select value from counters where name = %s", name))


def test_a_thread_that_is_lost_is_replaced(small: Stack) -> None:
    agent = small.agent("stuck")
    hanging = [accept(agent, "hang", new_session()) for _ in range(6)]
    assert {agent.finished(one)["error"]["type"] for one in hanging} == {"timeout"}
    first = agent.reply("hi", new_session()).split()[0]
    assert [agent.reply("hi", new_session()).split()[0] for _ in range(4)] == [first] * 4
    wait_until(lambda: counted(small, "threads_lost") == 6, what="the count of lost threads")
    assert "pumice_threads_lost_total 6" in agent.http.get("/metrics").text


def test_a_worker_that_lost_too_many_starts_anew(small: Stack) -> None:
    agent, plain, session = small.agent("stuck"), small.agent("plain"), new_session()
    before = {row["id"] for row in small.query("select id from workers")}
    hanging = [accept(agent, "hang", new_session()) for _ in range(40)]
    plain.reply("before", session)
    wait_until(lambda: counted(small, "workers_anew"), 40, "a new start")
    assert plain.reply("after", session)
    assert plain.state(session)["turns"] == 2
    assert {agent.finished(one)["error"]["type"] for one in hanging} == {"timeout"}
    wait_until(lambda: not before & {row["id"] for row in small.query("select id from workers")}, 20, "its new id")


def test_who_blocks_the_loop_is_named_and_the_others_go_to_another_worker(small: Stack, tmp_path) -> None:
    """Half of those behind it come to the worker that is blocked; each of them is answered by the other one."""
    agent, gate = small.agent("blocking"), Gate(tmp_path)
    with small.worker() as other:
        agent.reply("hi", new_session())
        blocking = accept(agent, f"block:{gate}", new_session())
        gate.reached()
        behind = [started(agent.chat, "hi", new_session()) for _ in range(8)]
        replies = [one.result(30).json()["message"]["content"] for one in behind]
        logs = small.shared["worker"].output + other.output
        gate.open()
        assert len({reply.split()[0] for reply in replies}) == 1
        assert "tests/support/" in logs.partition("loop_blocked at=")[2].splitlines()[0]
        assert agent.finished(blocking)["status"] in {"done", "failed"}
