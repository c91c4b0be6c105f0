"""Cancel: end a session's running turn, and what is queued, by taking its lease away and closing its interactions."""

from dataclasses import dataclass
from typing import Any, LiteralString

from app.sessions.lanes import Lane

LOCK: LiteralString = """
select lease_token from sessions where agent_id = %(agent)s and id = %(session)s for update
"""
"""Takes the session; no claim and no commit comes between."""

CANCEL: LiteralString = """
with running as (
  select id from interactions
  where agent_id = %(agent)s and session_id = %(session)s and status = 'queued' and available_at <= now()
    and %(leased)s
  order by seq limit 1
)
update interactions i set status = 'cancelled', reason = %(reason)s, finished_at = now()
where i.agent_id = %(agent)s and i.session_id = %(session)s and i.status = 'queued'
  and (%(queued)s or i.id in (select id from running))
returning i.id::text as id, i.kind, i.reply_to
"""
"""Closes the interaction that is running (the first that is due) and, on request, all that wait."""

FENCE: LiteralString = """
update sessions set lease_token = null, lease_worker = null, lease_until = null
where agent_id = %(agent)s and id = %(session)s and lease_token is not null
"""
"""Takes the lease away, so that whatever the worker still does can't be committed."""

WAITING: LiteralString = """
select kind from interactions
where agent_id = %(agent)s and session_id = %(session)s and status = 'queued' and available_at <= now()
order by seq limit 1
"""
"""What is left to run."""


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What was cancelled (rows of id, kind and reply_to), the token that was taken, and the kind of what waits."""

    interactions: list[Any]
    token: int | None
    waiting: str | None


def cancel(lane: Lane, agent_id: str, session_id: str, *, queued: bool, reason: str) -> Cancelled | None:
    """Cancel the running turn and, if `queued`, everything that waits. The state stays as before the turn.

    Returns None when there is no such session. Raises `StoreAwayError`.
    """
    key: dict[str, Any] = {"agent": agent_id, "session": session_id}
    with lane.transaction() as connection:
        found = connection.execute(LOCK, key).fetchall()
        if not found:
            return None
        token: int | None = found[0].lease_token
        options = {"leased": token is not None, "queued": queued, "reason": reason}
        closed = connection.execute(CANCEL, key | options).fetchall()
        if closed:
            connection.execute(FENCE, key)
        waiting = connection.execute(WAITING, key).fetchall()
    return Cancelled(closed, token if closed else None, waiting[0].kind if waiting else None)
