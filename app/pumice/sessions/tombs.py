"""What stays of a deleted session while its forks need it, and what goes when they are gone.

A deleted session is renamed, so that its name is free, and keeps what its forks have of it: the messages and the points
up to where they started. Forks find it by its line, which it keeps.
"""

from typing import NamedTuple

from pumice.sessions.connections import Transaction
from pumice.sessions.statements import NoRow, Statement

ROWS = 5_000
GONE_PREFIX = "$gone:"


class _Needed(NamedTuple):
    line: int | None
    point: int | None
    messages: int | None


class _Tomb(NamedTuple):
    agent_id: str
    id: str


class _Gone(NamedTuple):
    gone: int


class _Made(NamedTuple):
    line: int


NEEDED = Statement(
    "find_what_forks_need",
    """
select s.line, max(f.parent_point) as point, (select max(n.message_count) from snapshots n
  where n.agent_id = s.agent_id and n.session_id = s.id and n.name like '$fork:%%') as messages
from sessions s join sessions f on f.parent_line = s.line
where s.agent_id = %(agent)s and s.id = %(session)s group by s.agent_id, s.id, s.line
""",
    _Needed,
)
"""Up to where the forks of a session have its points and messages; no row when it has none."""

BURY = Statement(
    "bury_session",
    """
with gone as (
  update sessions set id = %(tomb)s, former_id = id, deleted_at = now(), state = null, stale = false,
    state_delta = null, base = null, keyframe = null, metadata = '{}', temporary = false, expires_at = null,
    lease_token = null, lease_worker = null, lease_until = null, blocked_until = null, probation = false
  where agent_id = %(agent)s and id = %(session)s returning line
), said as (
  update messages set session_id = %(tomb)s
  where agent_id = %(agent)s and session_id = %(session)s and seq < %(messages)s
), unsaid as (
  delete from messages where agent_id = %(agent)s and session_id = %(session)s and seq >= %(messages)s
), ran as (
  update interactions set session_id = %(tomb)s, dedupe_source = null, dedupe_key = null
  where agent_id = %(agent)s and session_id = %(session)s and point <= %(point)s
), forgotten as (
  delete from interactions where agent_id = %(agent)s and session_id = %(session)s and status <> 'queued'
    and (point is null or point > %(point)s) and reason_code is distinct from 'deleted'
), kept as (
  update keyframes set session_id = %(tomb)s where agent_id = %(agent)s and session_id = %(session)s
), named as (
  update snapshots set session_id = %(tomb)s
  where agent_id = %(agent)s and session_id = %(session)s and point <= %(point)s
), unnamed as (
  delete from snapshots where agent_id = %(agent)s and session_id = %(session)s and point > %(point)s
), unscheduled as (
  delete from schedules where agent_id = %(agent)s and session_id = %(session)s
)
select line from gone
""",
    _Made,
)
"""Renames a session and what its forks have of it, and deletes the rest."""

FORGET_START = Statement(
    "forget_where_fork_began",
    """
delete from snapshots n using sessions p, sessions f
where f.agent_id = %(agent)s and f.id = %(session)s and p.line = f.parent_line
  and n.agent_id = p.agent_id and n.session_id = p.id and n.name = '$fork:' || f.id
""",
    NoRow,
)
"""Lets go of the point at which a fork, which is being deleted, began."""

FIND = Statement(
    "find_tomb",
    """
select s.agent_id, s.id from sessions s
where s.deleted_at is not null and not exists (select from sessions f where f.parent_line = s.line)
limit 1 for update of s skip locked
""",
    _Tomb,
)
"""A deleted session that no fork needs any more."""

EMPTY = Statement(
    "empty_tomb",
    """
with said as (
  delete from messages where (agent_id, session_id, seq) in (select agent_id, session_id, seq from messages
    where agent_id = %(agent)s and session_id = %(session)s order by seq limit %(rows)s) returning seq
), ran as (
  delete from interactions where id in (select id from interactions
    where agent_id = %(agent)s and session_id = %(session)s order by seq limit %(rows)s) returning id
), kept as (
  delete from keyframes where agent_id = %(agent)s and session_id = %(session)s
), named as (
  delete from snapshots where agent_id = %(agent)s and session_id = %(session)s
)
select greatest((select count(*) from said), (select count(*) from ran)) as gone
""",
    _Gone,
)
"""Deletes the oldest rows of a deleted session."""

DELETE = Statement("delete_tomb", "delete from sessions where agent_id = %(agent)s and id = %(session)s", NoRow)
"""Deletes it, of which nothing is left."""

EXPIRED = Statement(
    "find_expired_parent",
    """
select s.agent_id, s.id from sessions s
where s.temporary and s.expires_at < now() and s.line is not null and s.lease_token is null
  and not exists (select from interactions i
    where i.agent_id = s.agent_id and i.session_id = s.id and i.status = 'queued')
  and not exists (select from schedules c
    where c.agent_id = s.agent_id and c.session_id = s.id and c.cron is null and c.every is null)
limit 1 for update of s skip locked
""",
    _Tomb,
)
"""A temporary session past its time that forks may need."""

FREE = Statement("free_line", "update sessions set line = null where agent_id = %(agent)s and id = %(session)s", NoRow)
"""Takes the line of a session that has no forks any more: it then ends like any other."""


def has_forks(transaction: Transaction, agent_id: str, session_id: str) -> bool:
    """Whether forks need something of a session."""
    return bool(transaction.fetch(NEEDED, {"agent": agent_id, "session": session_id}))


def bury(transaction: Transaction, agent_id: str, session_id: str) -> bool:
    """Delete a session of which forks need something. Returns false, and does nothing, where none does.

    What is queued in it must have been closed before.
    """
    key = {"agent": agent_id, "session": session_id}
    needed = transaction.fetch(NEEDED, key)
    if not needed:
        return False
    found = needed[0]
    tomb = f"{GONE_PREFIX}{found.line}"
    transaction.fetch(BURY, {**key, "tomb": tomb, "point": found.point or 0, "messages": found.messages or 0})
    return True


def forget_start(transaction: Transaction, agent_id: str, session_id: str) -> None:
    """Let go of the point at which a session began, if it is a fork; it is being deleted."""
    transaction.fetch(FORGET_START, {"agent": agent_id, "session": session_id})


def sweep_tombs(transaction: Transaction) -> tuple[int, bool]:
    """Delete some of one deleted session that no fork needs. Returns how many sessions went, and whether to go on."""
    for row in transaction.fetch(EXPIRED):
        key = {"agent": row.agent_id, "session": row.id}
        if not bury(transaction, row.agent_id, row.id):
            transaction.fetch(FREE, key)
        return 0, True
    for row in transaction.fetch(FIND):
        return int(empty_tomb(transaction, row.agent_id, row.id)), True
    return 0, False


def empty_tomb(transaction: Transaction, agent_id: str, tomb: str) -> bool:
    """Delete some of what is left of a deleted session. Returns whether that was all: then it is gone."""
    key = {"agent": agent_id, "session": tomb}
    if transaction.fetch(EMPTY, {**key, "rows": ROWS})[0].gone >= ROWS:
        return False
    forget_start(transaction, agent_id, tomb)
    transaction.fetch(DELETE, key)
    return True
