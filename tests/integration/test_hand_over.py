"""A chat is handed to a worker before it is accepted: whatever happens to either, it runs once and is answered."""

import json
import signal
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import redis

from pumice.dev.postgres import Postgres
from pumice.dev.valkey import Valkey
from pumice.messaging.handed_chats import handed_over
from pumice.messaging.writers import RedisWriter
from pumice.sessions.accept import NewInteraction
from tests.support.client import AgentClient, new_session
from tests.support.control import started
from tests.support.databases import ExternalServer, database
from tests.support.gates import Gate
from tests.support.stack import Stack, running_stack
from tests.support.waiting import wait_until

REDIS_DATABASE = 11
AGENTS = "echo=tests.support.agents_chat:Echo,async-streamer=tests.support.agents_chat:AsyncStreamer"


@pytest.fixture
def own(
    postgres_server: Postgres | ExternalServer, valkey_server: Valkey | ExternalServer, migrated_template: str
) -> Iterator[Stack]:
    """A front and a worker."""
    with database(postgres_server.url("postgres"), migrated_template) as name:
        servers = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(REDIS_DATABASE)}
        with running_stack({**servers, "LEASE_SECONDS": "3"}, AGENTS) as running:
            redis.Redis.from_url(servers["REDIS_URL"]).flushdb()
            yield running


def messages(stack: Stack) -> list[list[Any]]:
    """The arguments of the wakes for chats that nobody has read, the oldest first."""
    found = redis.Redis.from_url(stack.environ["REDIS_URL"]).lrange("chat", 0, -1)
    return [json.loads(json.loads(one)["body"])[0] for one in reversed(found)]


def rows(stack: Stack, session: str) -> list[dict[str, Any]]:
    return stack.query("select * from interactions where session_id = %s order by seq", session)


def test_a_stopped_workers_chat_is_accepted_by_its_front_and_runs_once(own: Stack) -> None:
    """Redis has given the message to the worker that does not run, which accepts the chat once more when it does."""
    echo, session = own.agent("echo"), new_session()
    assert echo.reply("one", session) == "1: one"
    own.shared["worker"].send(signal.SIGSTOP)
    try:
        waiting = started(echo.chat, "two", session)
        wait_until(lambda: len(rows(own, session)) == 2, what="the front's own accept")
    finally:
        own.shared["worker"].send(signal.SIGCONT)
    assert waiting.result(30).json()["message"]["content"] == "3: two"
    assert [one["status"] for one in rows(own, session)] == ["done", "done"]
    assert echo.state(session)["turns"] == 2


def test_a_chat_that_no_worker_reads_is_accepted_by_its_front(own: Stack) -> None:
    echo, session = own.agent("echo"), new_session()
    own.shared["worker"].send(signal.SIGKILL)
    own.shared["worker"].wait_ended()
    waiting = started(echo.chat, "one", session)
    (accepted,) = wait_until(lambda: rows(own, session), what="the front's own accept")
    wait_until(lambda: len(messages(own)) == 2, what="both messages")
    handed, plain = messages(own)
    assert (handed[1][0][0], len(plain)) == (str(accepted["id"]), 1)
    with own.worker():
        assert waiting.result(30).json()["message"]["content"] == "1: one"
    assert echo.state(session)["turns"] == 1


def test_a_chat_of_a_killed_worker_runs_in_another(own: Stack, tmp_path) -> None:
    echo, session, gate = own.agent("echo"), new_session(), Gate(tmp_path)
    echo.reply("one", session)
    waiting = started(echo.chat, f"gate:{gate}", session)
    gate.reached()
    own.shared["worker"].send(signal.SIGKILL)
    with own.worker():
        gate.open()
        assert waiting.result(30).json()["message"]["content"].startswith("3: gate")
    assert [one["status"] for one in rows(own, session)] == ["done", "done"]
    assert echo.state(session)["turns"] == 2


def test_messages_that_come_again_or_late_change_nothing(own: Stack) -> None:
    echo, session = own.agent("echo"), new_session()
    echo.reply("one", session)
    done = rows(own, session)[0]
    payload = json.dumps(done["payload"])
    again = NewInteraction(str(done["id"]), "echo", session, "chat", None, payload, reply_to="nobody")
    message = handed_over(again)
    writer = RedisWriter(own.environ["REDIS_URL"])
    writer.send([(message.queue, message.task, message.arguments)] * 3)
    writer.close()
    assert echo.reply("two", session) == "3: two"
    assert [one["status"] for one in rows(own, session)] == ["done", "done"]


def test_a_session_that_is_being_deleted_is_waited_for_by_the_front(own: Stack) -> None:
    echo, session = own.agent("echo"), new_session()
    echo.reply("one", session)
    with psycopg.connect(own.database_url) as deleting:
        for table, name in (("sessions", "id"), ("messages", "session_id"), ("interactions", "session_id")):
            deleting.execute(f"delete from {table} where {name} = %s".encode(), [session])
        waiting = started(echo.chat, "two", session)
        wait_until(lambda: "not_accepted" in own.shared["worker"].output, what="a worker that gave up")
        deleting.commit()
    assert waiting.result(30).json().get("message"), waiting.result().text
    assert echo.state(session)["turns"] == 1


def test_chats_of_one_session_keep_their_order_and_run_once(own: Stack) -> None:
    echo, session = own.agent("echo"), new_session()
    for _ in range(10):
        answers = [started(echo.chat, "x", session) for _ in range(4)]
        assert {one.result(30).status_code for one in answers} == {200}
    found = rows(own, session)
    assert [one["status"] for one in found] == ["done"] * 40
    assert [one["point"] for one in found] == list(range(1, 41))
    assert echo.state(session)["turns"] == 40


def test_a_slow_chat_is_answered_too(own: Stack, tmp_path) -> None:
    agent: AgentClient = own.agent("async-streamer")
    gate, session = Gate(tmp_path), new_session()
    waiting = started(agent.chat, str(gate), session)
    gate.reached()
    assert [one["status"] for one in rows(own, session)] == ["queued"]
    gate.open()
    assert waiting.result(30).json()["message"]["content"] == "one two"
    assert [one["status"] for one in rows(own, session)] == ["done"]
    assert agent.reply(str(tmp_path / "nothing"), session) == "one two"
