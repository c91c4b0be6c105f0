"""Deleting a session: who waits for its turns is told, nothing of it can be committed any more, and it is gone.

A long history goes in several short transactions, so that nobody waits long for the session's row. The first hides all
of it; the last deletes the session. Interactions that had not finished stay as cancelled, without what they said:
fronts that can't be told find them, and nobody waits for something that is nowhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from pumice.agents.states import REASONS, Reason, Status
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.finished import FinishedInteraction
from pumice.sessions.outgoing_events import forget_sent
from pumice.sessions.statements import NoRow, Statement
from pumice.sessions.tombs import bury, forget_start, has_forks

ROWS = 5_000
"""Messages, and interactions, that go in one transaction."""


class _Set(NamedTuple):
    set: str


class _Locked(NamedTuple):
    lease_token: int | None


class _Closed(NamedTuple):
    id: str
    kind: str
    reply_to: str | None


class _Gone(NamedTuple):
    messages: int
    interactions: int


PATIENCE = Statement("limit_lock_wait", "select set_config('lock_timeout', '2s', true) as set", _Set)
"""How long a deletion waits for the session's row: others wait behind it."""

LOCK = Statement(
    "lock_session_to_delete",
    """
select lease_token from sessions
where agent_id = %(agent)s and id = %(session)s and deleted_at is null for update
""",
    _Locked,
)
"""Takes the session; no claim and no commit comes between."""

UNSCHEDULE = Statement(
    "unschedule_deleted_session",
    "delete from schedules where agent_id = %(agent)s and session_id = %(session)s",
    NoRow,
)
"""Deletes the session's schedules, and waits for those that fire: what they made is closed with what else waits."""

CLOSE = Statement(
    "close_deleted_interactions",
    """
update interactions set status = 'cancelled', reason = %(reason)s, reason_code = %(reason_code)s,
  finished_at = clock_timestamp(), payload = '{}', body = null, result = null, errors = null, usage = null,
  recording = null, dedupe_source = null, dedupe_key = null
where id in (select id from interactions
  where agent_id = %(agent)s and session_id = %(session)s and status = 'queued' order by seq limit %(rows)s)
returning id::text as id, kind, reply_to
""",
    _Closed,
)
"""Cancels what runs and what waits, and forgets what it said."""

HIDE = Statement(
    "hide_deleted_session",
    """
update sessions set state = null, stale = false, state_delta = null, base = null, keyframe = null, metadata = '{}',
  transcript = null, history_start = message_count, lease_token = null, lease_worker = null, lease_until = null,
  blocked_until = null
where agent_id = %(agent)s and id = %(session)s
""",
    NoRow,
)
"""Takes the lease away, so that whatever a worker still does can't be committed, and all that the session held."""

EMPTY_OUT = Statement(
    "empty_deleted_session",
    """
with said as (
  delete from messages where (agent_id, session_id, seq) in (select agent_id, session_id, seq from messages
    where agent_id = %(agent)s and session_id = %(session)s order by seq limit %(rows)s) returning seq
), done as (
  delete from interactions where id in (select id from interactions
    where agent_id = %(agent)s and session_id = %(session)s and status <> 'queued'
      and reason_code is distinct from %(reason_code)s order by seq limit %(rows)s) returning id
), kept as (
  delete from keyframes where agent_id = %(agent)s and session_id = %(session)s
), named as (
  delete from snapshots where agent_id = %(agent)s and session_id = %(session)s
)
select (select count(*) from said) as messages, (select count(*) from done) as interactions
""",
    _Gone,
)
"""Deletes the oldest messages and finished interactions, all keyframes and all names."""

DELETE = Statement("delete_session", "delete from sessions where agent_id = %(agent)s and id = %(session)s", NoRow)
"""Deletes the session, of which nothing is left."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a transaction of a deletion closed, each with the front that waits for it, and the lease that it took.

    over: whether the session is gone.
    """

    interactions: list[tuple[FinishedInteraction, str | None]]
    token: int | None
    over: bool


def delete_session(store: StoreConnection, agent_id: str, session_id: str) -> Iterator[Deleted]:
    """Delete a session with all that belongs to it; yields after each transaction. Yields nothing if there is none.

    Raises `StoreAwayError`; then it may be called again.
    """
    over = False
    while not over:
        with store.transaction() as transaction:
            deleted = delete_some(transaction, agent_id, session_id)
        if deleted is None:
            return
        over = deleted.over
        yield deleted


def delete_some(transaction: Transaction, agent_id: str, session_id: str) -> Deleted | None:
    """Delete as much of a session as one transaction may. Returns None when there is no such session."""
    key: dict[str, Any] = {"agent": agent_id, "session": session_id, "rows": ROWS}
    transaction.fetch(PATIENCE)
    found = transaction.fetch(LOCK, key)
    if not found:
        return None
    closed, over = _delete_some(transaction, key)
    return Deleted(closed, found[0].lease_token, over)


def _delete_some(
    transaction: Transaction, key: dict[str, Any]
) -> tuple[list[tuple[FinishedInteraction, str | None]], bool]:
    """Delete what a transaction may. Returns what was closed, and whether the session is gone."""
    reason = Reason.DELETED
    options = {**key, "reason": REASONS[reason], "reason_code": reason.value}
    transaction.fetch(UNSCHEDULE, key)
    rows = transaction.fetch(CLOSE, options)
    forget_start(transaction, key["agent"], key["session"])
    forget_sent(transaction, key["agent"], key["session"], most=ROWS)
    over = len(rows) < ROWS
    if has_forks(transaction, key["agent"], key["session"]):
        if over:
            bury(transaction, key["agent"], key["session"])
    else:
        gone = transaction.fetch(EMPTY_OUT, options)[0]
        over = over and max(gone.messages, gone.interactions) < ROWS
        transaction.fetch(DELETE if over else HIDE, key)
    closed = [
        FinishedInteraction(row.id, row.kind, Status.CANCELLED, reason=REASONS[reason], reason_code=reason)
        for row in rows
    ]
    return list(zip(closed, (row.reply_to for row in rows), strict=True)), over
