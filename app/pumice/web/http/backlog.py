"""How much may wait on a front for clients that read more slowly than their events come.

Bounded for each client, in events and in bytes, and for all clients of the front together, in bytes. A client over its
own bound is cut off; when all together are over theirs, those for whom most waits are. Being cut off loses nothing:
the client comes back with the id of the last event that it got.
"""

import threading
from typing import Protocol

from pumice.settings import Settings

EVENTS = 10_000
"""Events that may wait for one client."""


class SlowClient(Protocol):
    """A client for whom something waits."""

    def cut_off(self) -> None:
        """Drop what waits, and have the connection ended. Must not block."""


class Backlog:
    """What waits for all clients of this front."""

    def __init__(self, settings: Settings) -> None:
        self._of_client = settings.client_backlog
        self._of_front = settings.front_backlog
        self._waiting: dict[SlowClient, list[int]] = {}
        self._all = 0
        self._lock = threading.RLock()
        self.cut = 0

    def add(self, client: SlowClient, size: int) -> bool:
        """Note that `size` more bytes, one event, wait for a client. Returns false when it was cut off for that.

        What waits alone may be larger than the client's bound: an event is delivered whole or not at all.
        """
        with self._lock:
            waiting = self._waiting.setdefault(client, [0, 0])
            waiting[0] += 1
            waiting[1] += size
            self._all += size
            if waiting[0] > EVENTS or (waiting[1] > self._of_client and waiting[0] > 1):
                self._cut(client)
            while self._all > self._of_front and self._waiting:
                self._cut(max(self._waiting, key=lambda one: self._waiting[one][1]))
            return client in self._waiting

    def remove(self, client: SlowClient, size: int) -> None:
        """Note that one event, of `size` bytes, waits no more."""
        with self._lock:
            waiting = self._waiting.get(client)
            if waiting is None:
                return
            waiting[0] -= 1
            waiting[1] -= size
            self._all -= size
            if not waiting[0]:
                del self._waiting[client]

    def forget(self, client: SlowClient) -> None:
        """Note that nothing waits for a client any more."""
        with self._lock:
            _, size = self._waiting.pop(client, (0, 0))
            self._all -= size

    @property
    def bytes(self) -> int:
        """The bytes that wait for all clients."""
        return self._all

    def _cut(self, client: SlowClient) -> None:
        self.cut += 1
        self.forget(client)
        client.cut_off()
