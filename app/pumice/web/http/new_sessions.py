"""`NEW_SESSIONS_PER_MINUTE`: how many sessions of an agent one address may begin in a minute, over all fronts.

Off unless set, and then it costs nothing. When it is on, a session that this front has seen before costs nothing
either; another costs one look at its primary key, and a new one a counter in Redis
(`pumice:new-sessions:<agent>:<address>:<minute>`), which all fronts share. While Redis is away each front counts alone.
"""

import threading
import time
from collections import Counter

import redis

from pumice.errors import TooMany
from pumice.messaging.redis_connection import connect
from pumice.sessions.connections import StoreConnections
from pumice.sessions.existence import session_exists
from pumice.settings import Settings
from pumice.web.http.body_budget import owner_of

MINUTE = 60
REMEMBERED = 100_000
"""Sessions that are known to exist, and addresses that are counted."""

Counted = tuple[str, str, int]
"""An agent, an address, and the number of the minute."""


class NewSessions:
    """The limit, as one front keeps it."""

    def __init__(self, settings: Settings, connections: StoreConnections) -> None:
        self._limit = settings.new_sessions_per_minute
        self._connections = connections
        self._redis = connect(settings.redis_url) if self._limit else None
        self._existing: set[tuple[str, str]] = set()
        self._begun: Counter[Counted] = Counter()
        self._lock = threading.Lock()

    def check(self, agent_id: str, session_id: str, address: str, *, fresh: bool, trusted: bool = False) -> None:
        """Count the session if this request begins it. Raises `TooMany`, `StoreAwayError`.

        fresh: its id was made just now. trusted: the request came with a secret key, which is not limited.
        """
        if self._redis is None or trusted:
            return
        if not fresh:
            if (agent_id, session_id) in self._existing:
                return
            with self._connections.borrow() as store:
                there = session_exists(store, agent_id, session_id)
            if there:
                self._remember(agent_id, session_id)
                return
        self._count(self._redis, agent_id, owner_of(address))
        if not fresh:
            self._remember(agent_id, session_id)

    def _remember(self, agent_id: str, session_id: str) -> None:
        if len(self._existing) >= REMEMBERED:
            self._existing.clear()
        self._existing.add((agent_id, session_id))

    def _count(self, counters: redis.Redis, agent_id: str, owner: str) -> None:
        now = time.time()
        counted = agent_id, owner, int(now // MINUTE)
        with self._lock:
            if len(self._begun) >= REMEMBERED:
                self._begun.clear()
            self._begun[counted] += 1
            begun = self._begun[counted]
        if begun <= self._limit:
            begun = max(begun, _count_everywhere(counters, counted))
        if begun > self._limit:
            message = "Too many new sessions were begun from this address."
            raise TooMany(message, retry_after=MINUTE - now % MINUTE)


def _count_everywhere(counters: redis.Redis, counted: Counted) -> int:
    """The number of sessions that were begun by way of any front; 0 while Redis is away."""
    agent_id, owner, minute = counted
    name = f"pumice:new-sessions:{agent_id}:{owner}:{minute}"
    try:
        with counters.pipeline(transaction=False) as pipeline:
            pipeline.incr(name)
            pipeline.expire(name, 2 * MINUTE)
            return int(pipeline.execute()[0])
    except redis.RedisError:
        return 0
