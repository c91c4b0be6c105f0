"""Backpressure: how much may wait for one session and for one agent before requests get a 429.

Each front counts what it accepted since it last looked into Postgres, and looks again when that reaches the limit;
what is being accepted at the moment, which Postgres may not show yet, counts as well. So a front that has looked once
is exact, several together may go over by what the others accepted since; and a session far from its limit costs no
query.
"""

import threading
import time
from collections import Counter
from collections.abc import Hashable
from typing import Any

from pumice.errors import TooMany
from pumice.sessions.connections import StoreConnections
from pumice.sessions.queue_lengths import AGENT_QUEUE, SESSION_QUEUE, QueueLength
from pumice.sessions.statements import Statement
from pumice.settings import Settings

TRACKED = 100_000
RETRY_AFTER = 1.0


class QueueLimits:
    """The limits of one front process."""

    def __init__(self, settings: Settings, connections: StoreConnections) -> None:
        self._sessions = _Queues(connections, "session", SESSION_QUEUE, settings.queue_limit)
        self._agents = _Queues(connections, "agent", AGENT_QUEUE, settings.agent_queue_limit, rest=RETRY_AFTER)

    def enter(self, agent_id: str, session_id: str) -> None:
        """Count in an interaction that is going to be accepted; `leave` follows. Raises `TooMany`, `StoreAwayError`."""
        key = {"agent": agent_id, "session": session_id}
        self._sessions.enter((agent_id, session_id), key)
        try:
            self._agents.enter(agent_id, key)
        except BaseException:
            self._sessions.leave((agent_id, session_id))
            raise

    def leave(self, agent_id: str, session_id: str) -> None:
        """Note that it is in Postgres, or came to nothing."""
        self._agents.leave(agent_id)
        self._sessions.leave((agent_id, session_id))


class _Queues:
    """The queues of sessions, or those of agents. rest: seconds for which one that was found full is not looked at."""

    def __init__(
        self, connections: StoreConnections, what: str, query: Statement[QueueLength], limit: int, *, rest: float = 0.0
    ) -> None:
        self._connections = connections
        self._what = what
        self._query = query
        self._limit = limit
        self._rest = rest
        self._waiting: dict[Hashable, int] = {}
        self._entering: Counter[Hashable] = Counter()
        self._full_until: dict[Hashable, float] = {}
        self._lock = threading.Lock()
        self._looking = threading.Lock()

    def enter(self, key: Hashable, parameters: dict[str, Any]) -> None:
        """Take a place in a queue, until what takes it is in Postgres. Raises `TooMany`, `StoreAwayError`."""
        if self._enter(key):
            return
        with self._looking:
            if self._enter(key):
                return
            self._look(key, parameters)
            if not self._enter(key):
                message = f"{self._waiting.get(key, self._limit)} interactions wait for this {self._what} already."
                raise TooMany(message, retry_after=RETRY_AFTER)

    def leave(self, key: Hashable) -> None:
        """Note that it is in Postgres, or came to nothing."""
        with self._lock:
            self._entering[key] -= 1
            if not self._entering[key]:
                del self._entering[key]

    def _enter(self, key: Hashable) -> bool:
        with self._lock:
            waiting = self._waiting.get(key, 0)
            if waiting >= self._limit:
                return False
            if len(self._waiting) >= TRACKED:
                self._waiting.clear()
            self._waiting[key] = waiting + 1
            self._entering[key] += 1
            return True

    def _look(self, key: Hashable, parameters: dict[str, Any]) -> None:
        """Count anew. Whoever enters during the query counts twice rather than not at all."""
        if time.monotonic() < self._full_until.get(key, 0.0):
            return
        entering = self._entering[key]
        with self._connections.borrow() as store:
            rows = store.fetch(self._query, {**parameters, "limit": self._limit})
        self._waiting[key] = rows[0].waiting + entering
        if self._rest and self._waiting[key] >= self._limit:
            self._full_until[key] = time.monotonic() + self._rest
