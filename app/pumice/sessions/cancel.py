"""Cancel: end a session's running turn, and what is queued, by taking its lease away and closing its interactions."""

from dataclasses import dataclass
from typing import Any, LiteralString

from pumice.sessions.connections import StoreConnection

LOCK: LiteralString = """
select lease_token, leased_at from sessions where agent_id = %(agent)s and id = %(session)s for update
"""
"""Takes the session; no claim and no commit comes between."""

CANCEL: LiteralString = """
with running as (
  select id from interactions
  where agent_id = %(agent)s and session_id = %(session)s and status = 'queued'
    and available_at <= coalesce(%(leased_at)s, clock_timestamp()) and %(leased)s
  order by seq limit 1
)
update interactions i set status = 'cancelled', reason = %(reason)s, finished_at = clock_timestamp(),
  woken_at = case when i.id in (select id from running) then coalesce(i.woken_at, %(leased_at)s) else i.woken_at end,
  started_at = case when i.id in (select id from running) then coalesce(i.started_at, %(leased_at)s) end
where i.agent_id = %(agent)s and i.session_id = %(session)s and i.status = 'queued'
  and (%(queued)s or i.id in (select id from running))
returning i.id::text as id, i.kind, i.reply_to
"""
"""Closes the interaction that is running (the first that was due when the lease was taken) and, on request, all that
wait."""

FENCE: LiteralString = """
update sessions set lease_token = null, lease_worker = null, lease_until = null, blocked_until = null
where agent_id = %(agent)s and id = %(session)s
"""
"""Takes the lease away, so that whatever the worker still does can't be committed; what a retry blocks is free."""

WAITING: LiteralString = """
select kind from interactions
where agent_id = %(agent)s and session_id = %(session)s and status = 'queued'
  and available_at <= clock_timestamp()
order by seq limit 1
"""
"""What is left to run."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What was cancelled (rows of id, kind and reply_to), the token that was taken, and the kind of what waits."""

    interactions: list[Any]
    token: int | None
    waiting: str | None


def cancel(store: StoreConnection, agent_id: str, session_id: str, *, queued: bool, reason: str) -> Cancelled | None:
    """Cancel the running turn and, if `queued`, everything that waits. The state stays as before the turn.

    Returns None when there is no such session. Raises `StoreAwayError`.
    """
    key: dict[str, Any] = {"agent": agent_id, "session": session_id}
    with store.transaction() as connection:
        found = connection.execute(LOCK, key).fetchall()
        if not found:
            return None
        token: int | None = found[0].lease_token
        lease = {"leased": token is not None, "leased_at": found[0].leased_at}
        options = {**lease, "queued": queued, "reason": reason}
        closed = connection.execute(CANCEL, key | options).fetchall()
        if closed:
            connection.execute(FENCE, key)
        waiting = connection.execute(WAITING, key).fetchall()
    return Cancelled(closed, token if closed else None, waiting[0].kind if waiting else None)
