"""Cancel: end a session's running turn, and what is queued, by taking its lease away and closing its interactions."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pumice.agents.states import REASONS, Reason, Status
from pumice.sessions.connections import StoreConnection
from pumice.sessions.finished import FinishedInteraction
from pumice.sessions.statements import NoRow, Statement


class _Locked(NamedTuple):
    lease_token: int | None
    leased_at: datetime | None


class _Closed(NamedTuple):
    id: str
    kind: str
    reply_to: str | None


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

CANCEL = Statement(
    "cancel_interactions",
    """
with running as (
  select id from interactions
  where agent_id = %(agent)s and session_id = %(session)s and status = 'queued'
    and available_at <= coalesce(%(leased_at)s, clock_timestamp()) and %(leased)s
  order by seq limit 1
)
update interactions i set status = 'cancelled', reason = %(reason)s,
  reason_code = %(reason_code)s, finished_at = clock_timestamp(),
  woken_at = case when i.id in (select id from running) then coalesce(i.woken_at, %(leased_at)s) else i.woken_at end,
  started_at = case when i.id in (select id from running) then coalesce(i.started_at, %(leased_at)s) end
where i.agent_id = %(agent)s and i.session_id = %(session)s and i.status = 'queued'
  and (%(queued)s or i.id in (select id from running))
returning i.id::text as id, i.kind, i.reply_to
""",
    _Closed,
)
"""Closes the interaction that is running (the first that was due when the lease was taken) and, on request, all that
wait."""

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


def cancel(store: StoreConnection, agent_id: str, session_id: str, *, queued: bool) -> Cancelled | None:
    """Cancel the running turn and, if `queued`, everything that waits. The state stays as before the turn.

    Returns None when there is no such session. Raises `StoreAwayError`.
    """
    key: dict[str, Any] = {"agent": agent_id, "session": session_id}
    with store.transaction() as transaction:
        found = transaction.fetch(LOCK, key)
        if not found:
            return None
        reason = Reason.CANCELLED
        token = found[0].lease_token
        lease = {"leased": token is not None, "leased_at": found[0].leased_at}
        options = {**lease, "queued": queued, "reason": REASONS[reason], "reason_code": reason.value}
        closed = transaction.fetch(CANCEL, key | options)
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
