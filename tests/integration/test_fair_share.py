"""One agent's flood, or its handlers that hang, don't keep another's chats waiting; nor one session another."""

from collections.abc import Iterator

import pytest

from pumice.dev.postgres import Postgres
from pumice.dev.valkey import Valkey
from tests.support.client import AgentClient, new_session
from tests.support.control import ASYNC
from tests.support.databases import ExternalServer, database
from tests.support.gates import Gate
from tests.support.stack import Stack, running_stack

AGENTS = ",".join(
    f"{name}=tests.support.agents_fair:{cls}"
    for name, cls in {
        "noisy": "Noisy",
        "async-noisy": "AsyncNoisy",
        "quiet": "Quiet",
        "async-quiet": "AsyncQuiet",
    }.items()
)
REDIS_DATABASE = 11


@pytest.fixture(scope="module")
def narrow(
    postgres_server: Postgres | ExternalServer, valkey_server: Valkey | ExternalServer, migrated_template: str
) -> Iterator[Stack]:
    """A front and a worker of one thread, with twelve places on its event loop."""
    with database(postgres_server.url("postgres"), migrated_template) as name:
        servers = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(REDIS_DATABASE)}
        settings = {"WORKER_CONCURRENCY": "1", "WORKER_ASYNC_LIMIT": "12", "LEASE_SECONDS": "30"}
        with running_stack({**servers, **settings}, AGENTS) as running:
            yield running


def send(agent: AgentClient, session: str, **query: str) -> str:
    answer = agent.hook("work", params={"session": session, **query}, headers=ASYNC)
    assert answer.status_code == 202
    return str(answer.json()["interactionId"])


def unfinished(agent: AgentClient, ids: list[str]) -> int:
    return sum(agent.interaction(one, secret=True).json()["status"] == "queued" for one in ids)


@pytest.mark.parametrize("sessions", [1, 40])
def test_a_chat_is_answered_in_the_middle_of_another_agents_flood(narrow: Stack, sessions: int) -> None:
    noisy, quiet = narrow.agent("noisy"), narrow.agent("quiet")
    names = [new_session() for _ in range(sessions)]
    flood = [send(noisy, names[number % sessions], seconds="0.1") for number in range(60)]
    assert quiet.reply("hi", new_session()) == "ok"
    assert unfinished(noisy, flood) > 20


@pytest.mark.parametrize("name", ["noisy", "async-noisy"])
def test_a_chat_is_answered_beside_handlers_that_hang(narrow: Stack, name: str, tmp_path) -> None:
    noisy, quiet, gate = narrow.agent(name), narrow.agent("quiet"), Gate(tmp_path)
    hanging = [send(noisy, new_session(), gate=str(gate)) for _ in range(100)]
    assert quiet.reply("hi", new_session()) == "ok"
    assert narrow.agent("async-quiet").reply("hi", new_session()) == "ok"
    assert unfinished(noisy, hanging) == 100
    gate.open()
    for one in hanging:
        assert noisy.finished(one)["status"] == "done"


def test_a_session_gives_way_to_another_of_the_same_agent(narrow: Stack) -> None:
    noisy, busy = narrow.agent("noisy"), new_session()
    flood = [send(noisy, busy, seconds="0.1") for _ in range(40)]
    noisy.finished(send(noisy, new_session(), seconds="0"))
    assert unfinished(noisy, flood) > 10
    order = [noisy.finished(one)["startedAt"] for one in flood]
    assert order == sorted(order)
