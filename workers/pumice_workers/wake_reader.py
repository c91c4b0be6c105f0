"""Reads this worker's wakes from a Redis broker, on one thread, without kombu's event loop.

A message is taken off its queue by the command that kombu's transport would use, and is what any Celery worker could
read (see `pumice.messaging.writers`). kombu's loop takes two thirds of a worker's interpreter time while one client
chats. Celery still starts and stops the worker, and waits for the broker at its start. It reads where the broker is not
Redis or the pool is prefork.
"""

import base64
import threading
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import redis

from pumice.logs import Outage, get_logger
from pumice.messaging.redis_connection import connect
from pumice.messaging.redis_transport import REDIS_SCHEMES
from pumice.settings import Settings

WAIT = 1
"""Seconds that a read waits in Redis for a message."""
PAUSE = 1.0
"""Seconds between two tries to reach a broker that is away."""
FULL = 0.05
"""Seconds after which it is looked again whether there is room, when there was none for any queue."""

log = get_logger("pumice.worker")


def is_read_here(settings: Settings) -> bool:
    """Whether this worker reads its messages itself."""
    is_redis = settings.broker.partition("://")[0] in REDIS_SCHEMES
    return is_redis and not settings.runs_stock("kombu") and not settings.runs_stock("celery")


class UnreadableMessageError(ValueError):
    """A message that is no Celery message of protocol 2 in JSON, or carries other arguments than its task takes."""


def decode(message: bytes) -> tuple[str, list[Any]]:
    """The task and the arguments of a message, as kombu stores it. Raises `UnreadableMessageError`."""
    try:
        envelope = orjson.loads(message)
        body = envelope["body"]
        if envelope["properties"].get("body_encoding") == "base64":
            body = base64.b64decode(body)
        task, (arguments, _, _) = envelope["headers"]["task"], orjson.loads(body)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnreadableMessageError(f"{type(error).__name__}: {error}") from error
    if not isinstance(task, str) or not isinstance(arguments, list):
        raise UnreadableMessageError("no task, or arguments that are no list")
    return task, arguments


class WakeReader:
    """The reading thread."""

    def __init__(
        self,
        settings: Settings,
        queues: Sequence[str],
        take: Callable[[str, str, list[Any]], None],
        has_room: Callable[[str], bool],
    ) -> None:
        """`take` is called with the queue, the task and the arguments of each message.

        It may raise `UnreadableMessageError`. has_room: whether a queue is to be read now.
        """
        self._connection: Any = connect(settings.broker).connection_pool.make_connection()
        self._queues = list(queues)
        self._take = take
        self._has_room = has_room
        self._stopping = threading.Event()
        self._away = Outage(log, "broker")
        self._thread = threading.Thread(target=self._run, name="pumice-reader", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more.

        Redis would hand the next message to the blocking read that waits longest. That of a worker which has stopped
        looking would swallow it, and rescue would find the session only after some seconds. So the read is broken off.
        """
        self._stopping.set()
        self._connection.disconnect()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._read()
                self._away.ends()
            except (redis.RedisError, OSError) as error:
                if not self._stopping.is_set():
                    self._away.begins(error=error, meanwhile="rescue runs what is due")
                    self._connection.disconnect()
                    self._stopping.wait(PAUSE)
            except Exception:
                if not self._stopping.is_set():
                    log.exception("reading_failed")
                    self._connection.disconnect()
                    self._stopping.wait(PAUSE)
        self._connection.disconnect()

    def _read(self) -> None:
        """Read one message, if there is one within `WAIT` seconds, and hand it on."""
        queues = [queue for queue in self._queues if self._has_room(queue)]
        if not queues:
            self._stopping.wait(FULL)
            return
        self._connection.send_command("BRPOP", *queues, WAIT, check_health=False)
        found = self._connection.read_response()
        if found is None:
            return
        queue, message = found[0].decode(), found[1]
        self._queues.remove(queue)
        self._queues.append(queue)  # the others first next time: a flood in one must not keep them from being read
        try:
            self._take(queue, *decode(message))
        except UnreadableMessageError as error:
            log.warning("message_unreadable", queue=queue, error=error)
