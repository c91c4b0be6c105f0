"""A Redis transport for kombu that keeps no copy of what is not acknowledged: wakes are disposable.

kombu's own writes each message it reads into an `unacked` hash and index and removes it again when it is acknowledged,
with a client object made for each: 45% of a worker's interpreter time for trivial turns. This one keeps count of
unacknowledged messages in memory only, which is what prefetch needs, and reuses one client. Used by the publisher and,
through Celery's `broker_transport`, by the consumer, unless the worker reads its messages itself (`wake_reader`); for
brokers other than Redis kombu's own transports are used.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from kombu.transport import redis, virtual

REDIS_SCHEMES = ("redis", "rediss")
TRANSPORT_OPTIONS: dict[str, Any] = {
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "priority_steps": [0],
}
"""Options of kombu's Redis transport: fail soon, and look at one list per queue."""


class CountingQoS(redis.QoS):  # type: ignore[misc]
    """Prefetch without a copy in Redis: a message that a dying worker holds is lost, and rescue sends another."""

    restore_at_shutdown = False

    def append(self, message: Any, delivery_tag: str) -> None:
        """Count a message as delivered."""
        virtual.QoS.append(self, message, delivery_tag)

    def ack(self, delivery_tag: str) -> None:
        """Count it as done."""
        virtual.QoS.ack(self, delivery_tag)

    def reject(self, delivery_tag: str, requeue: bool = False) -> None:
        """Count it as done; put it back if asked."""
        virtual.QoS.reject(self, delivery_tag, requeue)

    def restore_unacked(self, client: Any = None) -> None:  # noqa: ARG002 (kombu passes it)
        """Forget what is not acknowledged, after a lost connection or at the end."""
        self._delivered.clear()
        self._dirty.clear()

    def restore_visible(self, *_: Any, **__: Any) -> None:
        """Nothing is invisible."""


class UntrackedChannel(redis.Channel):  # type: ignore[misc]
    """A channel with one client for all commands but the blocking read, which has its own."""

    QoS = CountingQoS
    _shared_client: Any = None
    _reads = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _channels.add(self)

    def stop_reading(self) -> None:
        """End the blocking read, and begin no other."""
        self._reads = False
        if self._in_poll:
            self._in_poll.disconnect()

    def _brpop_start(self, timeout: Any = None) -> None:
        """Begin the blocking read, unless something else reads, or nothing any more; kombu asks again soon."""
        if not self._reads or _is_read_elsewhere:
            return
        super()._brpop_start(timeout)

    @contextmanager
    def conn_or_acquire(self, client: Any = None) -> Iterator[Any]:
        """The client given, or the shared one."""
        if client is None and self._shared_client is None:
            self._shared_client = self.Client(connection_pool=self.pool, single_connection_client=True)
        yield client or self._shared_client

    def _restore_at_beginning(self, message: Any) -> None:
        """Put a rejected message back; kombu's own takes it from the copy in Redis, which is not made here."""
        info = message.delivery_info
        with self.conn_or_acquire() as client:
            self._do_restore_message(
                message.serializable(), info["exchange"], info["routing_key"], client, leftmost=True
            )


_channels: WeakSet[UntrackedChannel] = WeakSet()
"""The channels of this process."""

_is_read_elsewhere = False


def read_elsewhere() -> None:
    """Have kombu read no messages in this process: something else does."""
    global _is_read_elsewhere  # noqa: PLW0603 (one consumer in a process, which Celery makes)
    _is_read_elsewhere = True


def stop_reading() -> None:
    """Take no more messages in this process, which is about to stop.

    Redis would hand the next message to the blocking read that waits longest. That of a worker which has stopped
    looking would swallow it, and rescue would find the session only after some seconds.
    """
    for channel in list(_channels):
        channel.stop_reading()


class UntrackedTransport(redis.Transport):  # type: ignore[misc]
    """kombu's Redis transport with channels of this kind."""

    Channel = UntrackedChannel


def transport_for(url: str, *, stock: bool = False) -> str | None:
    """The transport to use for a broker's address; None for kombu's own, which `stock` asks for."""
    if stock:
        return None
    return f"{__name__}:{UntrackedTransport.__name__}" if url.partition("://")[0] in REDIS_SCHEMES else None
