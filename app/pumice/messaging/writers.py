"""Writers of Celery messages: onto Redis' lists straight away, onto any other broker through kombu.

On Redis a message is one element of a list that has the queue's name, as kombu's virtual transport reads it. Putting
it there by hand takes half as long as by kombu's producer (see docs/decisions.md).
"""

from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from typing import Any, Protocol

import orjson
import redis
from kombu import Connection, Producer
from kombu.exceptions import KombuError

from pumice.agents.context import new_id
from pumice.messaging.redis_connection import Link
from pumice.messaging.redis_transport import REDIS_SCHEMES, TRANSPORT_OPTIONS

Message = tuple[str, str, list[Any]]
"""Queue, task and arguments of a Celery message."""


class BrokerAwayError(Exception):
    """The broker can't be reached, or did not take the messages."""


class Writer(Protocol):
    """Sends messages. Not for two threads at once."""

    def send(self, messages: Sequence[Message]) -> None:
        """Send them; some may be sent twice. Raises `BrokerAwayError`."""

    def close(self) -> None:
        """Close the connection; the next use opens another."""


def writer_for(url: str, *, stock: bool = False) -> Writer:
    """The writer for a broker's address; kombu's, where `stock` asks for it."""
    return RedisWriter(url) if url.partition("://")[0] in REDIS_SCHEMES and not stock else KombuWriter(url)


class RedisWriter:
    """Pushes each queue's messages with one command."""

    def __init__(self, url: str) -> None:
        self._link = Link(url)

    def send(self, messages: Sequence[Message]) -> None:
        """Send them. Raises `BrokerAwayError`."""
        queues: dict[str, list[bytes]] = {}
        for queue, task, arguments in messages:
            queues.setdefault(queue, []).append(_envelope(queue, task, arguments))
        try:
            self._link.run(("LPUSH", queue, *envelopes) for queue, envelopes in queues.items())
        except (redis.RedisError, OSError) as error:
            raise BrokerAwayError(str(error)) from error

    def close(self) -> None:
        """Close the connection."""
        self._link.close()


class KombuWriter:
    """Publishes through kombu."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._producer: Producer | None = None
        connection = Connection(url)
        self._errors = (KombuError, OSError, *connection.connection_errors, *connection.channel_errors)

    def send(self, messages: Sequence[Message]) -> None:
        """Send them. Raises `BrokerAwayError`."""
        try:
            producer = self._connected()
            with producer.batch() if len(messages) > 1 else nullcontext():
                for queue, task, arguments in messages:
                    headers, body = _task_message(task, arguments)
                    producer.publish(
                        body,
                        routing_key=queue,
                        headers=headers,
                        correlation_id=headers["id"],
                        delivery_mode=1,
                        retry=False,
                    )
        except self._errors as error:
            self.close()
            raise BrokerAwayError(str(error)) from error

    def close(self) -> None:
        """Close the connection."""
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(*self._errors):  # it may be what has just broken
                producer.channel.connection.client.release()

    def _connected(self) -> Producer:
        if self._producer is None:
            connection = Connection(self._url, transport_options=TRANSPORT_OPTIONS)
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=2)
            self._producer = Producer(connection.channel(), serializer="json")
        return self._producer


def _task_message(task: str, arguments: Iterable[Any]) -> tuple[dict[str, Any], list[Any]]:
    """What workers read of a Celery message: headers and body (protocol 2, docs.celeryq.dev, "Message Protocol")."""
    task_id = new_id()
    headers = {"lang": "py", "task": task, "id": task_id, "root_id": task_id, "parent_id": None, "group": None}
    return headers, [arguments, {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]


def _envelope(queue: str, task: str, arguments: list[Any]) -> bytes:
    """A message in the form in which kombu's virtual transports store it."""
    headers, body = _task_message(task, arguments)
    return orjson.dumps(
        {
            "body": orjson.dumps(body).decode(),
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": headers,
            "properties": {
                "correlation_id": headers["id"],
                "delivery_tag": headers["id"],
                "delivery_mode": 1,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "priority": 0,
            },
        }
    )
