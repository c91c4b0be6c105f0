"""Cancel: end a session's running turn, and what is queued, by taking its lease away and closing its interactions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pumice.agents.states import REASONS, Reason, Status
from pumice.sessions.connections import StoreConnection
from pumice.sessions.finished import FinishedInteraction
from pumice.sessions.running import find_running, when_sure
from pumice.sessions.statements import NoRow, Statement


class _Locked(NamedTuple):
    lease_token: int | None
    leased_at: datetime | None


class _Closed(NamedTuple):
    id: str
    kind: str
    reply_to: str | None


class _Due(NamedTuple):
    id: str
    available_at: datetime
    started_at: datetime | None


class _Waiting(NamedTuple):
    kind: str


LOCK = Statement(
    "lock_session_to_cancel",
    """
select lease_token, leased_at from sessions where agent_id = %(agent)s and id = %(session)s for update
""",
    _Locked,
)
"""Takes the session; no claim and no commit comes between."""

DUE = Statement(
    "list_due_to_cancel",
    """
select id::text as id, available_at, started_at from interactions
where agent_id = %(agent)s and session_id = %(session)s and status = 'queued' and available_at <= clock_timestamp()
order by seq
""",
    _Due,
)
"""What is due in the session, in order: one of it runs, if the session is leased."""

CANCEL = Statement(
    "cancel_interactions",
    """
update interactions i set status = 'cancelled', reason = %(reason)s,
  reason_code = %(reason_code)s, finished_at = clock_timestamp(),
  woken_at = case when i.id = %(running)s::uuid then coalesce(i.woken_at, %(leased_at)s) else i.woken_at end,
  started_at = case when i.id = %(running)s::uuid then coalesce(i.started_at, %(leased_at)s) end
where i.agent_id = %(agent)s and i.session_id = %(session)s and i.status = 'queued'
  and (%(queued)s or i.id = %(running)s::uuid)
returning i.id::text as id, i.kind, i.reply_to
""",
    _Closed,
)
"""Closes the interaction that is running and, on request, all that wait."""

FENCE = Statement(
    "fence_session",
    """
update sessions set lease_token = null, lease_worker = null, lease_until = null, blocked_until = null
where agent_id = %(agent)s and id = %(session)s
""",
    NoRow,
)
"""Takes the lease away, so that whatever the worker still does can't be committed; what a retry blocks is free."""

WAITING = Statement(
    "find_waiting_kind",
    """
select kind from interactions
where agent_id = %(agent)s and session_id = %(session)s and status = 'queued'
  and available_at <= clock_timestamp()
order by seq limit 1
""",
    _Waiting,
)
"""What is left to run."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What was cancelled, each with the front that waits for it.

    token: the lease that was taken, if one was. waiting: the kind of what is left to run.
    """

    interactions: list[tuple[FinishedInteraction, str | None]]
    token: int | None
    waiting: str | None


def cancel(
    store: StoreConnection,
    agent_id: str,
    session_id: str,
    *,
    queued: bool,
    only: str | None = None,
    reason: Reason = Reason.CANCELLED,
) -> Cancelled | None:
    """Cancel the running turn and, if `queued`, everything that waits. The state stays as before the turn.

    only: cancel the interaction of this id, if it is what runs or nothing does, and nothing else.
    Returns None when there is no such session. Raises `StoreAwayError`.
    """
    key = {"agent": agent_id, "session": session_id}
    return when_sure(lambda sure: _cancel(store, key, queued=queued, only=only, reason=reason, sure=sure))


def _cancel(
    store: StoreConnection, key: dict[str, Any], *, queued: bool, only: str | None, reason: Reason, sure: bool
) -> Cancelled | None:
    """Cancel. Raises `UnsureError`, with nothing done, when it has to be sure of what runs and is not."""
    with store.transaction() as transaction:
        found = transaction.fetch(LOCK, key)
        if not found:
            return None
        token, leased_at = found[0]
        due = [] if token is None else transaction.fetch(DUE, key)
        running = find_running(due, leased_at, sure=sure and not queued)
        if only is not None and running is None:
            running = only
        closed: list[_Closed] = []
        if only is None or running == only:
            options = {"leased_at": leased_at, "running": running, "queued": queued}
            why = {"reason": REASONS[reason], "reason_code": reason.value}
            closed = transaction.fetch(CANCEL, key | options | why)
        if closed:
            transaction.fetch(FENCE, key)
        waiting = transaction.fetch(WAITING, key)
    finished = [
        FinishedInteraction(row.id, row.kind, Status.CANCELLED, reason=REASONS[reason], reason_code=reason)
        for row in closed
    ]
    fronts = [row.reply_to for row in closed]
    return Cancelled(
        list(zip(finished, fronts, strict=True)), token if closed else None, waiting[0].kind if waiting else None
    )
