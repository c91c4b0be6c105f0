"""Backpressure: how much may wait for one session and for one agent before requests get a 429.

A front may accept a share of what is free in a queue, as Postgres last said it was, without asking again: so a queue
far from its limit costs no query. Near the limit the share is nothing: each interaction is then counted in Postgres,
under a lock of the queue, in the transaction that accepts it. A limit below `SHARES` therefore holds exactly over all
fronts. A larger one may be exceeded by what fronts have left of shares that they took before others filled the queue:
at most a sixteenth of the limit for each front. Only what is due counts, not what is scheduled for later.
"""

import threading
import time
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from pumice.errors import TooMany
from pumice.sessions.connections import StoreConnections, Transaction
from pumice.sessions.queue_lengths import AGENT_QUEUE, LOCK_QUEUE, QUEUE_LOCKS, SESSION_QUEUE, QueueLength
from pumice.sessions.statements import Statement
from pumice.settings import Settings
from pumice.web.http.key_locks import KeyLocks

TRACKED = 100_000
SHARES = 16
"""A front takes this part of what is free in a queue."""
LEAST_SHARE = 10_000
"""The share is at least this part of the limit: counting a very long queue for each interaction would slow it down."""
RETRY_AFTER = 1.0
PATIENCE = 4.0
"""Seconds that a request waits for another one of its queue to count."""


class QueueLimits:
    """The limits of one front process."""

    def __init__(self, settings: Settings, connections: StoreConnections) -> None:
        self._sessions = _Queues(connections, "session", SESSION_QUEUE, settings.queue_limit, rest=0.02)
        self._agents = _Queues(connections, "agent", AGENT_QUEUE, settings.agent_queue_limit, rest=RETRY_AFTER, age=1.0)

    def enter(self, agent_id: str, session_id: str) -> bool:
        """Count in an interaction that is going to be accepted; `leave` follows.

        Returns whether it has room for certain; else `check` must say so. Raises `TooMany`, `StoreAwayError`.
        """
        key = {"agent": agent_id, "session": session_id}
        in_session = self._sessions.enter((agent_id, session_id), key)
        try:
            return self._agents.enter(agent_id, key) and in_session
        except BaseException:
            self._sessions.leave((agent_id, session_id))
            raise

    def enter_idle(self, agent_id: str, session_id: str) -> bool:
        """Do what `enter` does if nothing else is being accepted for this session here, and no look is needed.

        Returns whether that was done.
        """
        if not self._sessions.take_idle((agent_id, session_id)):
            return False
        if self._agents.take_idle(agent_id, alone=False):
            return True
        self._sessions.leave((agent_id, session_id))
        self._sessions.give_back((agent_id, session_id))
        return False

    def leave(self, agent_id: str, session_id: str) -> None:
        """Note that it is in Postgres, or came to nothing."""
        self._agents.leave(agent_id)
        self._sessions.leave((agent_id, session_id))

    def finished(self, agent_id: str, session_id: str) -> None:
        """Note that an interaction that was counted in does not wait any more."""
        self._agents.give_back(agent_id)
        self._sessions.give_back((agent_id, session_id))

    def lock(self, transaction: Transaction, agent_id: str, session_id: str) -> None:
        """Have no other transaction add to these queues, as far as they are near their limits, until this one ends."""
        self._sessions.lock(transaction, (agent_id, session_id), f"{agent_id}/{session_id}")
        self._agents.lock(transaction, agent_id, agent_id)

    def check(self, transaction: Transaction, agent_id: str, session_id: str) -> None:
        """Count both queues, with what this transaction has added to them. Raises `TooMany`."""
        key = {"agent": agent_id, "session": session_id}
        self._sessions.check(transaction, (agent_id, session_id), key)
        self._agents.check(transaction, agent_id, key)


@dataclass(slots=True)
class _Share:
    """What a front may still accept into a queue. looked_at, took: when it last counted, and how long that took."""

    allowed: int
    taken: int = 0
    looked_at: float = 0.0
    took: float = 0.0


class _Queues:
    """The queues of sessions, or those of agents.

    rest: seconds for which one that was found full is not looked at. age: seconds after which a count is too old,
    unless counting is slow.
    """

    def __init__(
        self,
        connections: StoreConnections,
        what: str,
        query: Statement[QueueLength],
        limit: int,
        *,
        rest: float,
        age: float | None = None,
    ) -> None:
        self._connections = connections
        self._what = what
        self._query = query
        self._limit = limit
        self._rest = rest
        self._age = age
        self._shares: dict[Hashable, _Share] = {}
        self._entering: Counter[Hashable] = Counter()
        self._full_until: dict[Hashable, float] = {}
        self._lock = threading.Lock()
        self._looking = KeyLocks()

    def enter(self, key: Hashable, parameters: dict[str, Any]) -> bool:
        """Take a place in a queue. Returns whether there is one for certain. Raises `TooMany`, `StoreAwayError`."""
        if time.monotonic() < self._full_until.get(key, 0.0) or self._entering.get(key, 0) >= self._limit:
            raise self._full(self._limit)
        if self._exact(key):
            self._count_in(key)
            return False
        if self._take(key):
            return True
        with self._looking.hold(key, PATIENCE):
            if self._take(key):
                return True
            self._look(key, parameters)
            if self._take(key):
                return True
        self._count_in(key)
        return False

    def take_idle(self, key: Hashable, *, alone: bool = True) -> bool:
        """Take a place if the last count, however old, leaves one. alone: only if nobody else is taking one."""
        if time.monotonic() < self._full_until.get(key, 0.0) or (alone and self._entering.get(key, 0)):
            return False
        return not self._exact(key) and self._take(key, anyway=True)

    def leave(self, key: Hashable) -> None:
        """Note that it is in Postgres, or came to nothing."""
        with self._lock:
            self._entering[key] -= 1
            if not self._entering[key]:
                del self._entering[key]

    def give_back(self, key: Hashable) -> None:
        """Note that what took a place does not wait any more."""
        with self._lock:
            share = self._shares.get(key)
            if share is not None and share.taken:
                share.taken -= 1

    def lock(self, transaction: Transaction, key: Hashable, name: str) -> None:
        """Let no other transaction count this queue and add to it, if it is near its limit."""
        if self._exact(key):
            transaction.fetch(LOCK_QUEUE, {"locks": QUEUE_LOCKS, "queue": name})

    def check(self, transaction: Transaction, key: Hashable, parameters: dict[str, Any]) -> None:
        """Count the queue, if it is near its limit. Raises `TooMany`."""
        if not self._exact(key):
            return
        waiting = transaction.fetch(self._query, {**parameters, "limit": self._limit + 1})[0].waiting
        if waiting > self._limit:
            self._note_full(key)
            raise self._full(self._limit)
        self._note(key, waiting, 0.0)

    def _exact(self, key: Hashable) -> bool:
        """Whether nothing can be accepted into this queue without counting it."""
        with self._lock:
            share = self._shares.get(key)
            return self._share_of(self._limit) == 0 or (share is not None and share.allowed == 0)

    def _take(self, key: Hashable, *, anyway: bool = False) -> bool:
        """Take a place from the share. anyway: also where the count is old."""
        now = time.monotonic()
        with self._lock:
            if len(self._shares) >= TRACKED:
                self._shares.clear()
            share = self._shares.setdefault(key, _Share(self._share_of(self._limit)))
            old = not anyway and self._age is not None and now - share.looked_at > max(self._age, SHARES * share.took)
            if old or share.taken >= share.allowed:
                return False
            share.taken += 1
            self._entering[key] += 1
            return True

    def _count_in(self, key: Hashable) -> None:
        with self._lock:
            self._entering[key] += 1

    def _look(self, key: Hashable, parameters: dict[str, Any]) -> None:
        """Count anew. Raises `TooMany` when the queue is full."""
        began = time.monotonic()
        with self._connections.borrow() as store:
            waiting = store.fetch(self._query, {**parameters, "limit": self._limit}, again=True)[0].waiting
        if waiting >= self._limit:
            self._note_full(key)
            raise self._full(waiting)
        self._note(key, waiting, time.monotonic() - began)

    def _note(self, key: Hashable, waiting: int, took: float) -> None:
        """Note how much waits. What is being accepted counts once more: Postgres may not show it yet."""
        with self._lock:
            share = _Share(self._share_of(self._limit - waiting), self._entering[key], time.monotonic(), took)
            self._shares[key] = share

    def _share_of(self, free: int) -> int:
        return max(free // SHARES, self._limit // LEAST_SHARE if free > 0 else 0)

    def _note_full(self, key: Hashable) -> None:
        if len(self._full_until) >= TRACKED:
            self._full_until.clear()
        self._full_until[key] = time.monotonic() + self._rest

    def _full(self, waiting: int) -> TooMany:
        return TooMany(f"{waiting} interactions wait for this {self._what} already.", retry_after=RETRY_AFTER)
