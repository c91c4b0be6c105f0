"""Turns that hang or crash, in the prefork pool: the child process ends, and all else goes on."""

import json
from collections.abc import Iterator

import psutil
import pytest

from pumice.dev.children import Guard
from pumice.dev.postgres import Postgres
from pumice.dev.valkey import Valkey
from pumice.sessions.connections import StoreConnection
from pumice.sessions.rescue import rescue
from pumice.settings import Settings
from tests.support.client import AgentClient, new_session
from tests.support.control import accept, seconds, started
from tests.support.databases import ExternalServer, database
from tests.support.stack import Process, Stack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.faults

REDIS_DATABASE = 3
Prefork = tuple[AgentClient, Process]


@pytest.fixture(scope="module")
def prefork(
    postgres_server: Postgres | ExternalServer, valkey_server: Valkey | ExternalServer, migrated_template: str
) -> Iterator[Prefork]:
    """A client, and the worker, which has two children."""
    settings = {"WORKER_POOL": "prefork", "WORKER_CONCURRENCY": "2", "CRASH_LIMIT": "2", "LEASE_SECONDS": "2"}
    with database(postgres_server.url("postgres"), migrated_template) as name, Guard() as guard:
        servers = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(REDIS_DATABASE)}
        stack = Stack({**servers, **settings, "AGENTS": "stuck=tests.support.agents_control:Stuck"}, guard)
        with stack.front() as web, stack.process("worker") as worker:
            worker.wait_for(lambda: len(stack.query("select id from workers")) == 2)
            yield stack.agent("stuck", web.url), worker


def children(worker: Process) -> set[int]:
    return {child.pid for child in psutil.Process(worker.pid).children()}


def ran_in(agent: AgentClient) -> int:
    """The process in which a turn runs just now."""
    return int(agent.reply("hi", new_session()).split()[0])


def test_a_stuck_turn_fails_and_its_process_ends(prefork: Prefork) -> None:
    agent, worker = prefork
    before, session = children(worker), new_session()
    agent.reply("hi", session)
    with agent.socket(session) as socket:
        socket.until("session")
        took, answer = seconds(lambda: agent.chat("hang", session))
        event = socket.until("error")
    assert (answer.status_code, answer.json()["type"]) == (504, "urn:pumice:problem:timeout")
    assert took < 5
    assert event["error"] == answer.json()
    document = agent.interaction(answer.json()["interactionId"], secret=True).json()
    assert (document["status"], document["error"]["type"]) == ("failed", "timeout")
    assert document["error"]["message"] == "the turn took longer than its limit of 0.5 s"
    wait_until(lambda: len(children(worker)) == 2 and children(worker) != before, 20, "another child")
    assert len(before - children(worker)) == 1
    agent.reply("hi", session)
    assert agent.state(session) == {"turns": 2}


def test_others_go_on_while_both_children_hang(prefork: Prefork) -> None:
    agent, worker = prefork
    before = children(worker)
    hanging = [accept(agent, "hang", new_session()) for _ in range(2)]
    others = [started(agent.chat, "hi", new_session()) for _ in range(4)]
    assert [other.result(20).status_code for other in others] == [200] * 4
    assert [agent.finished(one)["error"]["type"] for one in hanging] == ["timeout"] * 2
    wait_until(lambda: len(children(worker)) == 2 and not children(worker) & before, 20, "two other children")


def test_a_crash_counts_as_an_attempt(prefork: Prefork) -> None:
    agent, session = prefork[0], new_session()
    assert agent.reply("crash once", session).split()[1] == "2"
    [document] = agent.interactions(session)
    assert (document["status"], document["attempts"]) == ("done", 2)
    assert document["errors"] == []
    assert agent.state(session) == {"turns": 1}


def test_who_crashes_too_often_is_dead_and_holds_up_nothing(prefork: Prefork) -> None:
    agent, session = prefork[0], new_session()
    crashing = accept(agent, "crash", session)
    behind = accept(agent, "hi", session)
    other = agent.chat("hi", new_session())
    assert other.status_code == 200
    assert agent.finished(behind)["status"] == "done"
    document = agent.finished(crashing)
    assert (document["status"], document["attempts"]) == ("dead", 3)
    assert document["reason"] == "dead after 3 attempts: its worker was lost 2 times while it ran alone"


def test_crashes_count_anew_after_an_operators_retry(settings: Settings) -> None:
    store = StoreConnection(settings)
    lost, retried = {"code": "worker-lost"}, {"code": "retried"}
    fates: list[tuple[str, int]] = []
    for place, errors in enumerate(([lost] * 3 + [retried] + [lost], [lost] * 3 + [retried] + [lost] * 2, [lost] * 2)):
        store.connection.execute(
            "insert into sessions (agent_id, id, lease_token, lease_until, leased_at, probation, suspect_group)"
            " values ('a', %s, 1, now() - interval '1 second', now() - interval '9 seconds', true, -1)",
            (str(place),),
        )
        store.connection.execute(
            "insert into interactions (id, agent_id, session_id, kind, payload, attempts, started_at, errors)"
            " values (pumice_uuid7(), 'a', %s, 'chat', '{}', %s, now(), %s)",
            (str(place), errors[::-1].index(retried) if retried in errors else len(errors), json.dumps(errors)),
        )
        rescue(store, crash_limit=3)
        query = "select status, attempts from interactions where session_id = %s"
        fates += store.connection.execute(query, (str(place),)).fetchall()
    store.close()
    assert fates == [("queued", 2), ("dead", 3), ("dead", 3)]
