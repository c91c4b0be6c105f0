"""A link to Redis for the hot path: several commands, one write, one read, on a connection of its own.

redis-py's client takes a connection from its pool for each command, wraps it in retries and keeps records of both; that
costs more than the command. Its connections do the work here: addresses, TLS, authentication and RESP stay its own.
"""

import socket
from collections.abc import Iterable
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

CONNECT_TIMEOUT = 2.0
TIMEOUT = 5.0


def connect(url: str, *, timeout: float | None = TIMEOUT) -> redis.Redis:
    """A Redis client that fails rather than retries. timeout: seconds for an answer; None waits for ever."""
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=CONNECT_TIMEOUT,
        socket_keepalive=True,
        protocol=2,
        retry=Retry(NoBackoff(), 0),
        max_connections=64,
    )


class Link:
    """One connection, opened when it is first used and anew after a loss. Not for two threads at once."""

    def __init__(self, url: str) -> None:
        self._connection: Any = connect(url).connection_pool.make_connection()
        self._open = False

    def run(self, *groups: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Send groups of commands, each group together, and return the answers to all of them.

        A group is read only when those before it have been sent, so it may be made meanwhile.
        Raises `redis.RedisError` when one failed or the connection was lost; the others may have been executed.
        """
        connection, sent = self._connection, 0
        self._renew()
        try:
            for group in groups:
                if packed := list(group):
                    connection.send_packed_command(connection.pack_commands(packed), check_health=False)
                    sent += len(packed)
            return [connection.read_response() for _ in range(sent)]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        self._open = False
        self._connection.disconnect()

    def _renew(self) -> None:
        """Connect, if that is not done or Redis has closed the connection meanwhile."""
        if self._open and not self._is_stale():
            return
        self.close()
        self._connection.connect()
        self._open = True

    def _is_stale(self) -> bool:
        """Whether there is something to read although nothing was asked: the end of the connection."""
        below = getattr(self._connection._sock, "_sock", None)  # noqa: SLF001 (redis-py gives no other way to it)
        try:
            if below is None or isinstance(self._connection, redis.SSLConnection):
                return bool(self._connection.can_read())
            below.recv(
                1, socket.MSG_PEEK
            )  # gevent's: it never waits, and asking gevent to poll takes ten times as long
        except BlockingIOError:
            return False
        except (redis.ConnectionError, OSError):
            return True
        return True
