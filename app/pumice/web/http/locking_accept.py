"""Accepting one interaction by itself, in a transaction that takes locks: a busy session's, or a nearly full queue's.

Of one session a front has one such transaction at a time, and none waits long for a lock: one that is held elsewhere
keeps a connection for `LOCK_WAIT` at most, and then lets others have it before it tries again.
"""

import time
from collections.abc import Callable
from typing import TypeVar

from psycopg.errors import LockNotAvailable

from pumice.errors import StoreBusy
from pumice.sessions.accept import NewInteraction, accept
from pumice.sessions.busy_policy import Admission, accept_busy
from pumice.sessions.connections import StoreConnection, StoreConnections
from pumice.sessions.event_order import accept_in_order
from pumice.settings import Settings
from pumice.web.http.key_locks import KeyLocks
from pumice.web.http.limits import QueueLimits

PATIENCE = 4.0
"""Seconds that a request waits for a lock that somebody else holds; then it gets a 503."""
PAUSE = 0.05

T = TypeVar("T")


class LockingAccept:
    """Accepts interactions one by one."""

    def __init__(self, settings: Settings, connections: StoreConnections, limits: QueueLimits) -> None:
        """`connections`: some that wait for locks only for a moment."""
        self._ttl, self._window = settings.temporary_ttl, settings.dedupe_window
        self._connections = connections
        self._limits = limits
        self._sessions = KeyLocks()

    def accept(self, wanted: NewInteraction, policy: str, *, near_limit: bool) -> Admission:
        """Accept an interaction, a chat under the agent's `policy`; count its queues, if they are near their limits.

        Raises `TooMany`, `Busy`, `StoreBusy` and `StoreAwayError`.
        """
        with self._sessions.hold((wanted.agent_id, wanted.session_id), PATIENCE):
            return self._patiently(
                lambda store: (
                    self._counted(store, wanted, policy) if near_limit else self._accept(store, wanted, policy)
                )
            )

    def _counted(self, store: StoreConnection, wanted: NewInteraction, policy: str) -> Admission:
        """Accept and then count, under the queues' locks: what does not fit is undone. A repeat needs no room."""
        with store.transaction() as transaction:
            self._limits.lock(transaction, wanted.agent_id, wanted.session_id)
            admission = self._accept(store, wanted, policy)
            if not admission.accepted.duplicate:
                self._limits.check(transaction, wanted.agent_id, wanted.session_id)
            return admission

    def _accept(self, store: StoreConnection, wanted: NewInteraction, policy: str) -> Admission:
        if wanted.kind == "chat" and policy not in {"queue", "interrupt"}:
            return accept_busy(store, wanted, policy, temporary_ttl=self._ttl, window=self._window)
        if wanted.event_at is not None:
            return Admission(accept_in_order(store, wanted, temporary_ttl=self._ttl, window=self._window))
        return Admission(accept(store, [wanted], temporary_ttl=self._ttl, window=self._window)[0])

    def _patiently(self, attempt: Callable[[StoreConnection], T]) -> T:
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                with self._connections.borrow() as store:
                    return attempt(store)
            except LockNotAvailable:
                if time.monotonic() > give_up:
                    raise StoreBusy(retry_after=1) from None
                time.sleep(PAUSE)
