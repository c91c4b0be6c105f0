"""Sweep: delete what has had its time, one small batch of one kind in each transaction. One sweeper at a time.

Every statement skips rows that others hold, and is bounded in rows, so that a sweep delays nobody however much there is
to delete. What one statement leaves is taken by the next.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.expiry import EmptySessions, ExpiredSessions
from pumice.sessions.outgoing_endpoints import sweep_endpoints
from pumice.sessions.outgoing_events import sweep_events
from pumice.sessions.pruning import OldPoints, sweep_points
from pumice.sessions.retention import OldInteractions, sweep_beats, sweep_ticks
from pumice.sessions.statements import Statement
from pumice.sessions.tombs import sweep_tombs
from pumice.settings import Settings

ELECTION = 7_864_226


class _Elected(NamedTuple):
    elected: bool


ELECT = Statement("elect_sweeper", "select pg_try_advisory_xact_lock(%s) as elected", _Elected)
"""One sweeper at a time, until its transaction ends."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What one transaction deleted: of which kind, and how many."""

    kind: str
    gone: int


class Sweeper:
    """Deletes what has had its time, and remembers how far it has looked."""

    def __init__(self, settings: Settings) -> None:
        retention, window = settings.retention_days * 86_400, settings.dedupe_window
        history = settings.history_days * 86_400
        empty = EmptySessions(settings.empty_session_ttl)
        self._kinds = {
            "sessions": ExpiredSessions(window).sweep,
            "interactions": OldInteractions(retention, window).sweep,
            "ticks": lambda transaction: sweep_ticks(transaction, retention),
            "beats": sweep_beats,
            "points": sweep_points,
            **({"old points": OldPoints(history).sweep} if history < retention else {}),
            "deleted parents": sweep_tombs,
            "outgoing events": lambda transaction: sweep_events(transaction, retention),
            "deleted endpoints": sweep_endpoints,
            **({"empty sessions": empty.sweep} if settings.empty_session_ttl else {}),
        }

    def round(self, store: StoreConnection) -> Iterator[Swept]:
        """Sweep, a batch of each kind in turn, until nothing is left.

        Yields after each transaction, so that the caller may pause. Ends at once while another sweeps.
        Raises `StoreAwayError`.
        """
        left = dict(self._kinds)
        while left:
            for kind, sweep in list(left.items()):
                with store.transaction() as transaction:
                    if not _is_elected(transaction):
                        return
                    gone, more = sweep(transaction)
                yield Swept(kind, gone)
                if not more:
                    del left[kind]


def _is_elected(transaction: Transaction) -> bool:
    return transaction.fetch(ELECT, (ELECTION,))[0].elected
