"""One lock for each key, while somebody holds it or waits for it: what is slow for one key holds up no other."""

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pumice.errors import StoreBusy


@dataclass(slots=True)
class _Entry:
    lock: Any = field(default_factory=threading.Lock)
    users: int = 0


class KeyLocks:
    """The locks of one front process for one purpose."""

    def __init__(self) -> None:
        self._entries: dict[Hashable, _Entry] = {}
        self._lock = threading.Lock()

    @contextmanager
    def hold(self, key: Hashable, patience: float) -> Iterator[None]:
        """Hold a key's lock. Raises `StoreBusy` when it is not free within `patience` seconds."""
        with self._lock:
            entry = self._entries.setdefault(key, _Entry())
            entry.users += 1
        try:
            if not entry.lock.acquire(timeout=patience):
                raise StoreBusy(retry_after=1)
            try:
                yield
            finally:
                entry.lock.release()
        finally:
            with self._lock:
                entry.users -= 1
                if not entry.users:
                    del self._entries[key]
