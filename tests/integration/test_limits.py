"""Backpressure: what is too much gets 429 before anything is written; and `/readyz` while Postgres is away."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest

from tests.support.client import AgentClient, new_session
from tests.support.control import ASYNC, accept, lone_front, started
from tests.support.databases import run
from tests.support.gates import Gate
from tests.support.stack import Process, Stack
from tests.support.waiting import wait_until

LIMIT = 3
TOO_MANY = "urn:pumice:problem:too-many-requests"


@pytest.fixture(scope="module")
def front(control: Stack) -> Iterator[Process]:
    """A front with small queues."""
    with control.front(QUEUE_LIMIT=str(LIMIT), AGENT_QUEUE_LIMIT="5") as front:
        yield front


@pytest.fixture
def plain(control: Stack, front: Process) -> AgentClient:
    return control.agent("plain", front.url)


def full(agent: AgentClient, gate: Gate, session: str) -> list[str]:
    """As many interactions as the queue takes; the first stands at the gate."""
    ids = [accept(agent, f"gate:{gate}", session)]
    gate.reached()
    return ids + [accept(agent, "x", session) for _ in range(LIMIT - 1)]


def test_a_full_session_refuses_before_anything_is_written(plain, tmp_path):
    gate, session = Gate(tmp_path), new_session()
    ids = full(plain, gate, session)
    answer = plain.chat("y", session)
    assert (answer.status_code, answer.json()["type"]) == (429, TOO_MANY)
    assert int(answer.headers["retry-after"]) >= 1
    assert len(plain.interactions(session)) == LIMIT
    gate.open()
    assert [plain.finished(one)["status"] for one in ids] == ["done"] * LIMIT
    assert plain.reply("y", session) == "7: y"


def test_what_is_being_accepted_counts_too(control, plain):
    session = new_session()
    for text in "abc":
        plain.reply(text, session)
    with psycopg.connect(control.database_url) as connection:
        connection.execute("lock table interactions in share row exclusive mode")
        many = [started(plain.chat, "y", session) for _ in range(8)]
        wait_until(lambda: sum(one.done() for one in many) == 8 - LIMIT, what="those that were refused")
    assert sorted(one.result(20).status_code for one in many) == [200] * LIMIT + [429] * (8 - LIMIT)


def test_hooks_and_sockets_are_refused_too(control, front, tmp_path):
    agent, gate, session = control.agent("rejecting", front.url), Gate(tmp_path), new_session()
    accept(agent, f"gate:{gate}", session)
    gate.reached()
    hooks = [agent.hook("nudge", params={"session": session}, headers=ASYNC) for _ in range(LIMIT)]
    assert [hook.status_code for hook in hooks] == [202] * (LIMIT - 1) + [429]
    with agent.socket(session) as socket:
        socket.send({"type": "move"})
        error = socket.until("error")["error"]
    assert (error["type"], error["status"]) == (TOO_MANY, 429)
    gate.open()
    wait_until(lambda: agent.hook("nudge", params={"session": session}).status_code == 200)


def test_a_full_agent_refuses_and_recovers(control, front, tmp_path):
    agent, other = control.agent("merging", front.url), control.agent("latest", front.url)
    gates = [Gate(tmp_path, str(number)) for number in range(5)]
    for gate in gates:
        accept(agent, f"gate:{gate}", new_session())
        gate.reached()
    session = new_session()
    answer = agent.chat("x", session)
    assert (answer.status_code, answer.json()["type"]) == (429, TOO_MANY)
    assert "this agent" in answer.json()["detail"]
    assert not agent.exists(session)
    assert other.reply("x") == "1: x"
    for gate in gates:
        gate.open()
    wait_until(lambda: agent.chat("x", session).status_code == 200)


def refused(answer: httpx.Response) -> httpx.Response | None:
    return answer if answer.status_code == 503 else None


def test_readyz_is_red_while_postgres_is_away(postgres_server, database_url, redis_url):
    name = database_url.rpartition("/")[2]
    admin = postgres_server.url("postgres")
    with lone_front(database_url, redis_url) as client:
        assert client.http.get("/readyz").json()["postgres"] == "live"
        run(admin, "alter database {} allow_connections false", name)
        run(admin, f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")
        red = wait_until(lambda: refused(client.http.get("/readyz")))
        chat = client.chat("x")
        assert client.http.get("/healthz").status_code == 200
        run(admin, "alter database {} allow_connections true", name)
        wait_until(lambda: client.http.get("/readyz").status_code == 200)
        assert client.chat("x", headers=ASYNC).status_code == 202
    assert red is not None
    assert red.json()["type"] == "urn:pumice:problem:store-away"
    assert (chat.status_code, int(chat.headers["retry-after"]) >= 1) == (503, True)
