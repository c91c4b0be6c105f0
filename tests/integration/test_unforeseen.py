"""What nobody foresaw inside a worker: its own steps fail, or the whole process stands still for a while."""

import signal
import time
from collections.abc import Iterator
from functools import partial

import pytest

from pumice.dev.postgres import Postgres
from pumice.dev.valkey import Valkey
from tests.support.client import AgentClient, new_session
from tests.support.control import ASYNC
from tests.support.databases import ExternalServer, database
from tests.support.gates import Gate
from tests.support.stack import Stack, running_stack
from tests.support.waiting import wait_until

pytestmark = pytest.mark.faults

AGENTS = "threads=tests.support.agents_unforeseen:OnThreads,loop=tests.support.agents_unforeseen:OnLoop"
REDIS_DATABASE = 15
STILL = 2.5
"""Seconds for which the worker is stopped: longer than an event loop may owe its sign of life."""


@pytest.fixture(scope="module")
def narrow(
    postgres_server: Postgres | ExternalServer, valkey_server: Valkey | ExternalServer, migrated_template: str
) -> Iterator[Stack]:
    """A front and a worker of one thread, whose leases last longer than a test waits."""
    with database(postgres_server.url("postgres"), migrated_template) as name:
        servers = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(REDIS_DATABASE)}
        with running_stack({**servers, "WORKER_CONCURRENCY": "1", "LEASE_SECONDS": "120"}, AGENTS) as running:
            yield running


def send(agent: AgentClient, hook: str, session: str = "", **query: str) -> str:
    """Send a hook, to a new session if none is named. Returns the interaction's id."""
    answer = agent.hook(hook, params={"session": session or new_session(), **query}, headers=ASYNC)
    assert answer.status_code == 202
    return str(answer.json()["interactionId"])


def has_passed(moment: float) -> bool:
    return time.monotonic() > moment


@pytest.mark.parametrize("fails", ["start", "take"])
def test_what_leaves_a_thread_leaves_no_lease_behind(narrow: Stack, tmp_path, fails: str) -> None:
    """The sessions that waited for the thread, with the one that failed among them, run without a lease ending."""
    agent, gate = narrow.agent("threads"), Gate(tmp_path)
    send(agent, "wait", gate=str(gate))
    gate.reached()
    sent = [send(agent, name) for name in ("fine", "fine", fails, "fine", fails, "fine")]
    gate.open()
    finished = [agent.finished(one) for one in sent]
    assert {one["status"] for one in finished} == {"done"}
    assert agent.reply("hi", new_session()) == "ok"


def test_what_leaves_a_task_of_the_loop_leaves_no_lease_behind(narrow: Stack) -> None:
    agent = narrow.agent("loop")
    assert {agent.finished(send(agent, "start"))["status"] for _ in range(3)} == {"done"}
    assert agent.reply("hi", new_session()) == "ok"


def test_a_worker_that_stood_still_blames_nobody(narrow: Stack, tmp_path) -> None:
    """A laptop that slept, a machine that was moved: the event loop gave no sign, but nothing blocked it."""
    agent, gate, session = narrow.agent("loop"), Gate(tmp_path), new_session()
    sent = send(agent, "wait", session, gate=str(gate))
    gate.reached()
    worker = narrow.shared["worker"]
    for _ in range(3):
        worker.send(signal.SIGSTOP)
        wait_until(partial(has_passed, time.monotonic() + STILL), what="a while")
        worker.send(signal.SIGCONT)
        assert agent.reply("hi", new_session()) == "ok"
    gate.open()
    finished = agent.finished(sent)
    assert (finished["status"], finished["attempts"]) == ("done", 1)
    assert "loop_blocked" not in worker.output
