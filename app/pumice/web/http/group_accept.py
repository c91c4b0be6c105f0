"""The front's group commit: requests that arrive while a flush is under way share the next one."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import psycopg

from pumice.errors import Internal, Problem, StoreAway, StoreAwayError
from pumice.logs import Outage
from pumice.messaging.group_flush import GroupFlush
from pumice.messaging.wakes import Wake, WakePublisher
from pumice.sessions.accept import WAKE_GRACE, Accepted, NewInteraction, accept
from pumice.sessions.connections import StoreConnection
from pumice.settings import Settings

PATIENCE = 4.0
"""Seconds that a flush is tried again while Postgres is away; the requests then get a 503."""
FLUSH_LIMIT = 500
RETRY_AFTER = 2.0


@dataclass(slots=True)
class _Ticket:
    """A request's place in a flush. `over` is held until the flush is done: a bare lock costs a third of an event."""

    wanted: NewInteraction
    over: Any = field(default_factory=threading.Lock)
    accepted: Accepted | None = None
    problem: Problem | None = None


class GroupAccept:
    """Accepts interactions durably, many requests in one statement, and has their sessions woken."""

    def __init__(self, settings: Settings, wakes: WakePublisher, store_away: Outage) -> None:
        self._settings = settings
        self._wakes = wakes
        self._store = StoreConnection(settings)
        self._away = store_away
        self._flusher: GroupFlush[_Ticket] = GroupFlush("pumice-accept", self._flush, FLUSH_LIMIT)

    def accept(self, wanted: NewInteraction) -> Accepted:
        """Accept an interaction; it is in Postgres when this returns. Raises `StoreAway`."""
        ticket = _Ticket(wanted)
        ticket.over.acquire()
        self._flusher.flush_here(ticket)
        ticket.over.acquire()
        if ticket.accepted is None:
            raise ticket.problem or Internal()
        return ticket.accepted

    def stop(self) -> None:
        """Accept what is left."""
        self._flusher.stop()

    def _flush(self, batch: list[_Ticket]) -> None:
        try:
            for ticket, accepted in zip(batch, self._accept([ticket.wanted for ticket in batch]), strict=True):
                ticket.accepted = accepted
            self._wakes.wake(
                Wake.of(one.wanted.agent_id, one.accepted.session_id, one.wanted.kind)
                for one in batch
                if one.accepted is not None and one.accepted.starts
            )
        except StoreAwayError as error:
            _fail(batch, StoreAway(str(error), retry_after=RETRY_AFTER))
        except psycopg.Error as error:
            self._flush_one_by_one(batch, error)
        finally:
            for ticket in batch:
                if ticket.over.locked():
                    ticket.over.release()

    def _accept(self, wanted: list[NewInteraction]) -> list[Accepted]:
        give_up = time.monotonic() + PATIENCE
        while True:
            try:
                accepted = accept(
                    self._store,
                    wanted,
                    temporary_ttl=self._settings.temporary_ttl,
                    window=self._settings.dedupe_window,
                    grace=0.0 if self._wakes.away else WAKE_GRACE,
                )
            except StoreAwayError as error:
                self._away.begins(error=error)
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.1)
            else:
                self._away.ends()
                return accepted

    def _flush_one_by_one(self, batch: list[_Ticket], error: psycopg.Error) -> None:
        """Something in the batch is refused by Postgres: find it, so that only its own request fails."""
        if len(batch) > 1:
            for ticket in batch:
                self._flush([ticket])
        else:
            _fail(batch, Internal(f"the store refused the request: {type(error).__name__}"))


def _fail(batch: list[_Ticket], problem: Problem) -> None:
    for ticket in batch:
        ticket.problem = problem
