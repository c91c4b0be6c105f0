"""The front's group commit: requests that arrive while a flush is under way share the next one.

What waits for another transaction (a session that is being deleted, a dedupe key that is not committed yet) is put
aside, and so is what comes for the same session meanwhile: the flush goes on without it.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isqrt
from typing import Any

import psycopg
from psycopg.errors import LockNotAvailable

from pumice.errors import Internal, Problem, StoreAway, StoreAwayError
from pumice.logs import Outage
from pumice.messaging.group_flush import GroupFlush
from pumice.messaging.wakes import Wake, WakePublisher
from pumice.sessions.accept import WAKE_GRACE, Accepted, NewInteraction, accept
from pumice.sessions.connections import StoreConnection, StoreConnections
from pumice.settings import Settings
from pumice.web.http.set_aside import SetAside

PATIENCE = 4.0
"""Seconds that a flush is tried again while Postgres is away; the requests then get a 503."""
FLUSH_LIMIT = 500
RETRY_AFTER = 2.0
LOCK_WAIT = 0.1
"""Seconds that a flush waits for a lock."""
MOST_WAITS = 3
"""How often a flush waits for locks before it puts aside all that is left."""


@dataclass(slots=True)
class Ticket:
    """A request's place in a flush. `over` is held until the flush is done: a bare lock costs a third of an event."""

    wanted: NewInteraction
    over: Any = field(default_factory=threading.Lock)
    accepted: Accepted | None = None
    problem: Problem | None = None
    aside: bool = False

    def settle(self, problem: Problem | None = None) -> None:
        """Let the request go on."""
        self.problem = problem
        if self.over.locked():
            self.over.release()


class GroupAccept:
    """Accepts interactions durably, many requests in one statement, and has their sessions woken."""

    def __init__(
        self, settings: Settings, wakes: WakePublisher, store_away: Outage, connections: StoreConnections
    ) -> None:
        """`connections`, which wait for locks only for a moment, are for what is put aside."""
        self._settings = settings
        self._wakes = wakes
        self._store = StoreConnection(settings, lock_wait=LOCK_WAIT)
        self._away = store_away
        self._flusher: GroupFlush[Ticket] = GroupFlush("pumice-accept", self._flush, FLUSH_LIMIT)
        self._aside: SetAside[Ticket] = SetAside(connections, self._accept_aside)

    def accept(self, wanted: NewInteraction) -> Accepted:
        """Accept an interaction; it is in Postgres when this returns. Raises `StoreAway`, `StoreBusy`."""
        ticket = Ticket(wanted)
        ticket.over.acquire()
        if not self._aside.follow(_lane(wanted), ticket):
            self._flusher.flush_here(ticket)
        ticket.over.acquire()
        if ticket.accepted is None:
            raise ticket.problem or Internal()
        return ticket.accepted

    def stop(self) -> None:
        """Accept what is left."""
        self._flusher.stop()

    def _flush(self, batch: list[Ticket]) -> None:
        try:
            self._isolate(batch, self._patiently)
        except StoreAwayError:
            for ticket in batch:
                ticket.problem = StoreAway(retry_after=RETRY_AFTER)
        finally:
            for ticket in batch:
                if not ticket.aside:
                    ticket.settle(ticket.problem)

    def _isolate(self, batch: list[Ticket], accept_all: Callable[[list[Ticket]], None]) -> None:
        """Accept a batch; when part of it waits for a lock or is refused, the rest by itself.

        In parts of the root of its size, each of which may be taken apart again: one that is refused among 500 costs
        the others 40 statements. A part that waits is put aside as it is.
        """
        waits = 0
        parts = [batch]
        while parts:
            part = parts.pop(0)
            try:
                accept_all(part)
            except LockNotAvailable:
                waits += 1
                if part is not batch or len(part) == 1:
                    self._put_aside(part)
                else:
                    parts = _split(part)
                if waits >= MOST_WAITS:
                    self._put_aside([ticket for left in parts for ticket in left])
                    return
            except psycopg.Error as error:
                if len(part) == 1:
                    part[0].problem = Internal(f"the store refused the request: {type(error).__name__}")
                else:
                    parts = [*_split(part), *parts]

    def _put_aside(self, batch: list[Ticket]) -> None:
        for ticket in batch:
            ticket.aside = True
            self._aside.put(_lane(ticket.wanted), ticket)

    def _accept_aside(self, store: StoreConnection, batch: list[Ticket]) -> None:
        """Accept what was put aside of one session. Raises psycopg's `LockNotAvailable`."""
        try:
            self._accept(store, batch)
        except (LockNotAvailable, StoreAwayError):
            raise
        except psycopg.Error as error:
            for ticket in batch if len(batch) == 1 else ():
                ticket.settle(Internal(f"the store refused the request: {type(error).__name__}"))
            for ticket in batch if len(batch) > 1 else ():
                self._accept_aside(store, [ticket])
            return
        for ticket in batch:
            ticket.settle()

    def _patiently(self, batch: list[Ticket]) -> None:
        """Accept a batch, again and again while Postgres is away. Raises `StoreAwayError` in the end."""
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                self._accept(self._store, batch)
            except StoreAwayError as error:
                self._away.begins(error=error)
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.1)
            else:
                self._away.ends()
                return

    def _accept(self, store: StoreConnection, batch: list[Ticket]) -> None:
        accepted = accept(
            store,
            [ticket.wanted for ticket in batch],
            temporary_ttl=self._settings.temporary_ttl,
            window=self._settings.dedupe_window,
            grace=0.0 if self._wakes.away else WAKE_GRACE,
        )
        for ticket, one in zip(batch, accepted, strict=True):
            ticket.accepted = one
        self._wakes.wake(
            Wake.of(ticket.wanted.agent_id, one.session_id, ticket.wanted.kind)
            for ticket, one in zip(batch, accepted, strict=True)
            if one.starts
        )


def _lane(wanted: NewInteraction) -> tuple[str, ...]:
    """What may wait for the same lock: the session or, where none was named, the dedupe key."""
    if wanted.unnamed and wanted.dedupe:
        return (wanted.agent_id, *wanted.dedupe)
    return (wanted.agent_id, wanted.session_id)


def _split(batch: list[Ticket]) -> list[list[Ticket]]:
    size = isqrt(len(batch))
    return [batch[place : place + size] for place in range(0, len(batch), size)]
