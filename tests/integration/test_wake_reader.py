"""A worker's own reading of a Redis broker: every message once, whatever is between them, until it is told to stop."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from kombu import Connection, Producer

from pumice.messaging import redis_transport
from pumice.messaging.wakes import RUN_SESSIONS
from pumice.messaging.writers import RedisWriter
from pumice.settings import Settings
from pumice_workers.wake_reader import UnreadableMessageError, WakeReader, decode, is_read_here
from pumice_workers.worker_process import MOST_WAITING, WorkerProcess
from tests.support.waiting import wait_until

NAME = "reader-under-test"
QUEUES = ["chat", "hooks", "jobs"]
FIELDS = st.sampled_from(["body", "headers", "properties", "task"])
VALUES = st.recursive(
    st.none() | st.integers() | st.sampled_from(["", "[]", "[[], {}, {}]"]),
    lambda inner: st.lists(inner) | st.dictionaries(FIELDS.filter(lambda name: name != "task"), inner),
)
"""JSON of much the same form as a message, but for its task."""


class Reading:
    """A reader's messages, and the queues that have no room."""

    def __init__(self, url: str) -> None:
        self.taken: list[tuple[str, str, list[Any]]] = []
        self.full: set[str] = set()
        named = f"{url}?client_name={NAME}"
        settings = Settings.from_env({"DATABASE_URL": "postgresql://nowhere/none", "REDIS_URL": named})
        self.reader = WakeReader(settings, QUEUES, self._take, lambda queue: queue not in self.full)

    def _take(self, queue: str, task: str, arguments: list[Any]) -> None:
        if task == "refused":
            raise UnreadableMessageError(task)
        if task == "broken":
            raise ZeroDivisionError
        self.taken.append((queue, task, arguments))

    def has_taken(self, count: int) -> None:
        """Wait until it has taken so many."""
        wait_until(lambda: len(self.taken) >= count)


@contextmanager
def reading(url: str) -> Iterator[Reading]:
    made = Reading(url)
    made.reader.start()
    try:
        yield made
    finally:
        made.reader.stop()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as made:
        yield made


def _send(url: str, *messages: tuple[str, str, list[Any]]) -> None:
    writer = RedisWriter(url)
    writer.send(messages)
    writer.close()


def _waits(client: redis.Redis) -> bool:
    """Whether the reader is in its blocking read. Its name tells it from workers that others run on this server."""
    return any(one["name"] == NAME and "b" in one["flags"] for one in client.client_list())


def test_messages_are_taken_once_and_in_order(redis_url, client):
    sent = [("hooks", "task", [n]) for n in range(200)]
    _send(redis_url, *sent)
    with reading(redis_url) as made:
        wait_until(lambda: len(made.taken) >= len(sent))
        assert made.taken == sent
        assert not client.llen("hooks")


def test_what_any_celery_sends_is_read(redis_url):
    with Connection(redis_url) as connection, reading(redis_url) as made:
        headers = {"lang": "py", "task": "pumice.run_sessions", "id": "1"}
        body = [[[["agent", "sé"]]], {}, {"callbacks": None}]
        Producer(connection.channel(), serializer="json").publish(body, routing_key="chat", headers=headers)
        wait_until(lambda: made.taken)
        assert made.taken == [("chat", "pumice.run_sessions", [[["agent", "sé"]]])]


def test_nothing_that_is_unreadable_keeps_the_next_message_from_being_read(redis_url, client):
    _send(redis_url, ("chat", "refused", []), ("chat", "broken", []))
    client.lpush("chat", b"no JSON", b"[]", b"{}", orjson.dumps({"body": "e30=", "properties": {}, "headers": {}}))
    _send(redis_url, ("chat", "good", []))
    with reading(redis_url) as made:
        wait_until(lambda: made.taken)
        assert made.taken == [("chat", "good", [])]


def test_a_flood_in_one_queue_leaves_the_others_their_turn(redis_url):
    _send(redis_url, *[("chat", "flood", [n]) for n in range(50)], ("hooks", "h", []), ("jobs", "j", []))
    with reading(redis_url) as made:
        wait_until(lambda: len(made.taken) >= 52)
        assert {task for _, task, _ in made.taken[:3]} == {"flood", "h", "j"}


def test_a_queue_without_room_is_left_for_others(redis_url, client):
    _send(redis_url, ("chat", "c", []), ("hooks", "h", []))
    made = Reading(redis_url)
    made.full = {"chat"}
    made.reader.start()
    try:
        wait_until(lambda: made.taken)
        made.full = set(QUEUES)
        assert made.taken == [("hooks", "h", [])]
        assert client.llen("chat") == 1
        made.full = set()
        wait_until(lambda: len(made.taken) == 2)
    finally:
        made.reader.stop()


def test_a_connection_that_is_cut_is_made_again(redis_url, client):
    with reading(redis_url) as made:
        for n in range(3):
            wait_until(lambda: _waits(client))
            for one in client.client_list():
                if one["name"] == NAME:
                    client.client_kill_filter(_id=one["id"])
            _send(redis_url, ("chat", "after", [n]))
            made.has_taken(n + 1)
    assert [arguments for _, _, arguments in made.taken] == [[0], [1], [2]]


def test_one_that_was_told_to_stop_takes_nothing_more(redis_url, client):
    made = Reading(redis_url)
    made.reader.start()
    wait_until(lambda: _waits(client))
    made.reader.stop()
    wait_until(lambda: not _waits(client))
    _send(redis_url, ("chat", "late", []))
    wait_until(lambda: not any(one["name"] == NAME for one in client.client_list()))
    assert not made.taken
    assert client.llen("chat") == 1


@given(st.binary() | VALUES.map(lambda value: json.dumps(value).encode()))
def test_whatever_is_no_message_is_said_to_be_unreadable(message):
    with pytest.raises(UnreadableMessageError):
        decode(message)


@pytest.mark.parametrize("encoded", [True, False])
def test_a_body_may_be_base64(encoded):
    body = orjson.dumps([[1], {}, {}])
    envelope = {
        "body": (base64.b64encode(body) if encoded else body).decode(),
        "headers": {"task": "t"},
        "properties": {"body_encoding": "base64"} if encoded else {},
    }
    assert decode(orjson.dumps(envelope)) == ("t", [1])


@pytest.mark.parametrize(
    ("environ", "here"),
    [
        ({}, True),
        ({"STOCK": "kombu"}, False),
        ({"STOCK": "celery"}, False),
        ({"BROKER_URL": "amqp://localhost//"}, False),
    ],
)
def test_other_brokers_and_stock_libraries_are_left_to_celery(environ, here):
    settings = Settings.from_env(
        {"DATABASE_URL": "postgresql://nowhere/none", "REDIS_URL": "redis://localhost", **environ}
    )
    assert is_read_here(settings) is here


@pytest.fixture
def worker(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorkerProcess]:
    """A worker that reads and starts no turn: its Postgres is away, and it waits for it."""
    monkeypatch.setattr(redis_transport, "_is_read_elsewhere", False)  # what it sets is taken back after the test
    environ = {"DATABASE_URL": "postgresql://127.0.0.1:1/none", "REDIS_URL": redis_url, "WORKER_CONCURRENCY": "1"}
    made = WorkerProcess(Settings.from_env({**environ, "AGENTS": "echo=tests.support.agents_chat:Echo"}))
    made.read(QUEUES)
    yield made
    made.stop_reading()
    made.runner.stopping = True
    made.rescue.ready.set()


def test_a_worker_leaves_to_others_what_it_has_no_room_for(worker, redis_url, client):
    many = [["echo", f"s{n}"] for n in range(2 * MOST_WAITING)]
    _send(redis_url, ("hooks", RUN_SESSIONS, [many]))
    wait_until(lambda: worker.runner.scheduler.waiting("hooks") > MOST_WAITING)
    wait_until(lambda: not client.llen("hooks"))
    _send(redis_url, *[("hooks", RUN_SESSIONS, [[["echo", "more"]]])] * 3, ("chat", RUN_SESSIONS, [[["echo", "c"]]]))
    wait_until(lambda: not client.llen("chat"))
    _send(redis_url, ("jobs", RUN_SESSIONS, [[["echo", "j"]]]))
    wait_until(lambda: worker.runner.scheduler.waiting("jobs"))
    assert client.llen("hooks") >= 2  # the read that was under way when it had filled up may have taken one


@pytest.mark.parametrize("arguments", [[], [3], [[["echo"]]], [[["echo", 7]]], [["echo", "s"]], [[], []]])
def test_a_wake_of_another_form_harms_no_other(worker, redis_url, arguments):
    _send(redis_url, ("jobs", RUN_SESSIONS, arguments), ("jobs", "unknown.task", []))
    many = [["echo", f"s{n}"] for n in range(MOST_WAITING)]  # more than the one thread takes at a time
    _send(redis_url, ("jobs", RUN_SESSIONS, [many]))
    wait_until(lambda: worker.runner.scheduler.waiting("jobs"))
