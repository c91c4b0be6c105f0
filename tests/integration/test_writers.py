"""What is written to the broker is what kombu reads, and a lost connection costs nothing."""

import pytest
import redis
from kombu import Connection

from pumice.messaging.redis_connection import Link
from pumice.messaging.redis_transport import transport_for
from pumice.messaging.writers import BrokerAwayError, KombuWriter, Message, RedisWriter, writer_for

MESSAGES: list[Message] = [
    ("hooks", "task.one", [[["agent", "s1"], ["agent", 'ü"2']]]),
    ("chat", "task.two", []),
    ("hooks", "n", [3]),
]


def read(url, queue, count, transport=None):
    """So many messages of a queue, as a Celery worker sees them."""
    with Connection(url, transport=transport) as connection:
        simple = connection.SimpleQueue(queue)
        found = []
        for _ in range(count):
            message = simple.get(timeout=5)
            arguments, options, embedded = message.payload
            assert options == {}
            assert set(embedded) == {"callbacks", "errbacks", "chain", "chord"}
            assert message.headers["id"] == message.properties["correlation_id"]
            found.append((message.headers["task"], arguments))
            message.ack()
        simple.close()
        return found


@pytest.mark.parametrize("patched", [True, False])
def test_messages_on_redis_are_read_in_order_by_any_kombu(redis_url, patched):
    writer = writer_for(redis_url)
    assert isinstance(writer, RedisWriter)
    writer.send(MESSAGES)
    transport = transport_for(redis_url) if patched else None
    assert read(redis_url, "hooks", 2, transport) == [(task, arguments) for _, task, arguments in MESSAGES[::2]]
    assert read(redis_url, "chat", 1, transport) == [("task.two", [])]
    writer.close()


def test_other_brokers_are_written_to_through_kombu():
    writer = writer_for("memory://")
    assert isinstance(writer, KombuWriter)
    writer.send(MESSAGES)
    writer.close()
    writer.send([("hooks", "later", [])])
    assert [task for task, _ in read("memory://", "hooks", 3)] == ["task.one", "n", "later"]


def test_a_broker_that_is_away_is_told_apart():
    with pytest.raises(BrokerAwayError):
        RedisWriter("redis://127.0.0.1:1/0").send(MESSAGES)
    with pytest.raises(BrokerAwayError):
        KombuWriter("amqp://127.0.0.1:1//").send(MESSAGES)


def test_answers_come_in_order(redis_url):
    link = Link(redis_url)
    assert link.run([("SET", "k", b"v"), ("GET", "k"), ("DEL", "k", "other")]) == [b"OK", b"v", 1]
    link.close()


def test_a_connection_that_redis_closed_is_opened_anew(redis_url):
    link, client = Link(redis_url), redis.Redis.from_url(redis_url)
    link.run([("CLIENT", "SETNAME", "link")])
    victim = next(one["id"] for one in client.client_list() if one["name"] == "link")
    client.client_kill_filter(_id=victim)
    assert link.run([("PING",)]) == [b"PONG"]
    link.close()


def test_a_command_that_fails_leaves_no_answer_behind(redis_url):
    link = Link(redis_url)
    with pytest.raises(redis.ResponseError):
        link.run([("SET", "k", "v"), ("LPUSH", "k", "v"), ("GET", "k")])
    assert link.run([("PING",)]) == [b"PONG"]
    link.close()
