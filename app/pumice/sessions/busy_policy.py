"""Accepting a chat for an agent that does not simply queue it while its session is busy.

Under a lock on the session, so that two fronts and the claim see the same: reject it, or let it supersede the chats
that wait (`latest` drops them, `merge` takes their messages over). What is running is never touched here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from pumice.agents.json_text import dumps, loads
from pumice.agents.states import REASONS, Reason, Status
from pumice.errors import Busy
from pumice.sessions.accept import Accepted, NewInteraction, accept, ensure_session
from pumice.sessions.connections import StoreConnection
from pumice.sessions.finished import FinishedInteraction
from pumice.sessions.running import find_running, when_sure
from pumice.sessions.statements import NoRow, Statement


class _Locked(NamedTuple):
    leased: bool
    leased_at: datetime | None


class _Waiting(NamedTuple):
    id: str
    kind: str
    payload: str
    reply_to: str | None
    available_at: datetime
    started_at: datetime | None


LOCK = Statement(
    "lock_busy_session",
    """
select lease_token is not null as leased, leased_at from sessions
where agent_id = %(agent)s and id = %(session)s for update
""",
    _Locked,
)
"""Takes the session; no claim and no commit comes between."""

WAITING = Statement(
    "list_waiting_chats",
    """
select id::text as id, kind, payload::text as payload, reply_to, available_at, started_at
from interactions
where agent_id = %(agent)s and session_id = %(session)s and status = 'queued'
  and (available_at <= clock_timestamp() or kind = 'chat') order by seq
""",
    _Waiting,
)
"""What is due in the session, and the chats that wait for their retry. By the clock: since `now()`, the transaction's
start, others may have held the lock and accepted more."""

SUPERSEDE = Statement(
    "supersede_chats",
    """
update interactions set status = 'skipped', superseded_by = %(by)s::uuid, reason = %(reason)s,
  reason_code = %(reason_code)s, finished_at = now()
where id = any(%(ids)s::uuid[])
""",
    NoRow,
)
"""Closes chats for a newer one."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The accepted chat, and the chats that it superseded, each with the front that waits for it."""

    accepted: Accepted
    superseded: Sequence[tuple[FinishedInteraction, str | None]] = ()


def accept_busy(
    store: StoreConnection, wanted: NewInteraction, policy: str, *, temporary_ttl: float, window: float
) -> Admission:
    """Accept a chat under `policy` ("reject", "latest" or "merge"). Raises `Busy` and `StoreAwayError`."""
    return when_sure(
        lambda sure: _accept_busy(store, wanted, policy, temporary_ttl=temporary_ttl, window=window, sure=sure)
    )


def _accept_busy(
    store: StoreConnection, wanted: NewInteraction, policy: str, *, temporary_ttl: float, window: float, sure: bool
) -> Admission:
    """Accept a chat. Raises `UnsureError`, with nothing done, when it has to be sure of what runs and is not."""
    key: dict[str, Any] = {"agent": wanted.agent_id, "session": wanted.session_id}
    with store.transaction() as transaction:
        ttl = temporary_ttl if wanted.temporary else None
        ensure_session(store, wanted.agent_id, wanted.session_id, temporary_ttl=ttl)
        session = transaction.fetch(LOCK, key)[0]
        due = transaction.fetch(WAITING, key)
        running = _running(session, due, sure=sure and policy != "reject")
        waiting = [row for row in due if row.kind == "chat" and row.id != running]
        merged = _merged(wanted, waiting) if policy == "merge" else wanted
        accepted = accept(store, [merged], temporary_ttl=temporary_ttl, window=window)[0]
        if accepted.duplicate:
            return Admission(accepted)
        if policy == "reject":
            if session.leased or due:
                raise Busy(retry_after=1)
            return Admission(accepted)
        reason = Reason.MERGED if policy == "merge" else Reason.SUPERSEDED
        if waiting:
            why = {"reason": REASONS[reason], "reason_code": reason.value}
            transaction.fetch(SUPERSEDE, {"by": accepted.id, "ids": [row.id for row in waiting], **why})
    return Admission(accepted, [(_superseded(row, reason, accepted.id), row.reply_to) for row in waiting])


def _superseded(row: _Waiting, reason: Reason, newer: str) -> FinishedInteraction:
    return FinishedInteraction(
        row.id, row.kind, Status.SKIPPED, reason=REASONS[reason], reason_code=reason, superseded_by=newer
    )


def _running(session: _Locked, due: list[_Waiting], *, sure: bool) -> str | None:
    """What runs, if the session is leased. It only matters where a chat could be dropped for the new one."""
    if not session.leased:
        return None
    guess = find_running(due, session.leased_at, sure=False)
    in_doubt = any(row.kind == "chat" and row.id != guess for row in due)
    return find_running(due, session.leased_at, sure=True) if sure and in_doubt else guess


def _merged(wanted: NewInteraction, waiting: list[_Waiting]) -> NewInteraction:
    """The chat with the messages of those that wait before its own."""
    own = loads(wanted.payload)
    if own.get("history") == "replace":
        return wanted
    payloads = [loads(row.payload) for row in waiting]
    messages = [message for payload in payloads for message in payload["messages"]] + own["messages"]
    history = "replace" if any(payload.get("history") == "replace" for payload in payloads) else "append"
    return replace(wanted, payload=dumps({"messages": messages, "history": history}).decode())
