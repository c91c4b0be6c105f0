"""Accepting a chat for an agent that does not simply queue it while its session is busy.

Under a lock on the session, so that two fronts and the claim see the same: reject it, or let it supersede the chats
that wait (`latest` drops them, `merge` takes their messages over). What is running is never touched here.
"""

from dataclasses import dataclass, replace
from typing import Any, LiteralString

import orjson

from pumice.errors import Busy
from pumice.sessions.accept import Accepted, NewInteraction, accept, ensure_session
from pumice.sessions.connections import StoreConnection
from pumice.sessions.finished import MERGED

LOCK: LiteralString = """
select lease_token is not null as leased, leased_at from sessions
where agent_id = %(agent)s and id = %(session)s for update
"""
"""Takes the session; no claim and no commit comes between."""

WAITING: LiteralString = """
select id::text as id, kind, payload::text as payload, reply_to, available_at from interactions
where agent_id = %(agent)s and session_id = %(session)s and status = 'queued'
  and (available_at <= clock_timestamp() or kind = 'chat') order by seq
"""
"""What is due in the session, and the chats that wait for their retry. By the clock: since `now()`, the transaction's
start, others may have held the lock and accepted more."""

SUPERSEDE: LiteralString = """
update interactions set status = 'skipped', superseded_by = %(by)s::uuid, reason = %(reason)s, finished_at = now()
where id = any(%(ids)s::uuid[])
"""
"""Closes chats for a newer one."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The accepted chat, and the chats it superseded (rows of id, kind and reply_to) with the reason given."""

    accepted: Accepted
    superseded: list[Any]
    reason: str


def accept_busy(
    store: StoreConnection, wanted: NewInteraction, policy: str, *, temporary_ttl: float, window: float
) -> Admission:
    """Accept a chat under `policy` ("reject", "latest" or "merge"). Raises `Busy` and `StoreAwayError`."""
    key: dict[str, Any] = {"agent": wanted.agent_id, "session": wanted.session_id}
    with store.transaction() as connection:
        ttl = temporary_ttl if wanted.temporary else None
        ensure_session(store, wanted.agent_id, wanted.session_id, temporary_ttl=ttl)
        session = connection.execute(LOCK, key).fetchall()[0]
        due = connection.execute(WAITING, key).fetchall()
        running = _running(session, due)
        waiting = [row for row in due if row.kind == "chat" and row.id != running]
        merged = _merged(wanted, waiting) if policy == "merge" else wanted
        accepted = accept(store, [merged], temporary_ttl=temporary_ttl, window=window)[0]
        if accepted.duplicate:
            return Admission(accepted, [], "")
        if policy == "reject":
            if session.leased or due:
                raise Busy(retry_after=1)
            return Admission(accepted, [], "")
        reason = MERGED if policy == "merge" else "dropped for a newer message"
        if waiting:
            ids = [row.id for row in waiting]
            connection.execute(SUPERSEDE, {"by": accepted.id, "ids": ids, "reason": reason})
    return Admission(accepted, waiting, reason)


def _running(session: Any, due: list[Any]) -> str | None:
    """What runs, if the session is leased: the first that was due when the lease was taken."""
    if not session.leased:
        return None
    since = session.leased_at
    return next((row.id for row in due if since is None or row.available_at <= since), None)


def _merged(wanted: NewInteraction, waiting: list[Any]) -> NewInteraction:
    """The chat with the messages of those that wait before its own."""
    own = orjson.loads(wanted.payload)
    if own.get("history") == "replace":
        return wanted
    payloads = [orjson.loads(row.payload) for row in waiting]
    messages = [message for payload in payloads for message in payload["messages"]] + own["messages"]
    history = "replace" if any(payload.get("history") == "replace" for payload in payloads) else "append"
    return replace(wanted, payload=orjson.dumps({"messages": messages, "history": history}).decode())
