"""Pruning: points beyond the newest N of a session, and older than so many days, are no longer kept.

What a point is told by goes; its interaction stays until the retention ends. Points that have a name, and those where
forks began, have rows of their own and outlive this.
"""

from datetime import UTC, datetime
from typing import NamedTuple

from pumice.sessions.connections import Transaction
from pumice.sessions.statements import NoRow, Statement

SESSIONS = 10
POINTS = 1_000
"""Points that one transaction prunes at the most, of one session or, by their age, of all."""
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class _Prunable(NamedTuple):
    agent_id: str
    session_id: str
    keep: int


class _Gone(NamedTuple):
    gone: int


class _Aged(NamedTuple):
    seen: int
    last: datetime | None


FIND = Statement(
    "find_prunable",
    "select agent_id, session_id, keep from prunable_sessions limit %(sessions)s for update skip locked",
    _Prunable,
)
"""Sessions that have more points than are kept."""

PRUNE = Statement(
    "prune_points",
    """
with locked as (
  select pg_try_advisory_xact_lock(hashtextextended(%(agent)s || '/' || %(session)s, 710)) as held
), old as (
  select i.id from sessions s cross join lateral (select i.id from interactions i
    where i.agent_id = s.agent_id and i.session_id = s.id and i.point is not null
      and i.point <= s.version - %(keep)s and i.keyframe is not null
    order by i.point limit %(points)s) i
  where s.agent_id = %(agent)s and s.id = %(session)s and (select held from locked)
), gone as (
  update interactions i set keyframe = null, delta = null, transcript = null, recording = null
  from old where i.id = old.id returning i.id
)
select case when (select held from locked) then (select count(*) from gone) else -1 end as gone
""",
    _Gone,
)
"""Takes what tells a session's oldest points beyond the newest `keep`; -1 when somebody holds them (see `hold`)."""

UNUSED = Statement(
    "delete_unused_keyframes",
    """
delete from keyframes k where k.agent_id = %(agent)s and k.session_id = %(session)s
  and k.id is distinct from (select s.keyframe from sessions s where s.agent_id = k.agent_id and s.id = k.session_id)
  and not exists (select from snapshots n
    where n.agent_id = k.agent_id and n.session_id = k.session_id and n.keyframe = k.id)
  and not exists (select from interactions i where i.agent_id = k.agent_id and i.session_id = k.session_id
    and i.point is not null and i.keyframe = k.id)
""",
    NoRow,
)
"""Deletes a session's keyframes by which nothing is told any more."""

DONE = Statement(
    "pruned", "delete from prunable_sessions where agent_id = %(agent)s and session_id = %(session)s", NoRow
)
"""Notes that a session has no more points than are kept."""

AGED = Statement(
    "prune_old_points",
    """
with old as (
  select i.id, i.agent_id, i.session_id, i.finished_at from interactions i
  where i.finished_at >= %(since)s and i.finished_at < now() - %(age)s * interval '1 second'
  order by i.finished_at limit %(points)s
), gone as (
  update interactions i set keyframe = null, delta = null, transcript = null, recording = null
  from old
  where i.id = old.id and i.keyframe is not null returning i.agent_id, i.session_id
), noted as (
  insert into prunable_sessions (agent_id, session_id, keep)
  select distinct agent_id, session_id, %(keep)s::bigint from gone on conflict do nothing
)
select (select count(*) from old) as seen, (select max(finished_at) from old) as last
""",
    _Aged,
)
"""Takes what tells the points that are too old, and notes their sessions: keyframes may be unused now."""


def sweep_points(transaction: Transaction) -> tuple[int, bool]:
    """Prune some sessions. Returns how many points went, and whether there may be more."""
    total, found = 0, transaction.fetch(FIND, {"sessions": SESSIONS})
    held = 0
    for row in found:
        key = {"agent": row.agent_id, "session": row.session_id}
        gone = transaction.fetch(PRUNE, {**key, "keep": row.keep, "points": POINTS})[0].gone
        held += gone < 0
        total += max(gone, 0)
        if 0 <= gone < POINTS:
            transaction.fetch(UNUSED, key)
            transaction.fetch(DONE, key)
    return total, bool(found) and held < len(found)


class OldPoints:
    """Points older than so many seconds. Remembers how far it has looked."""

    def __init__(self, age: float) -> None:
        self._age = age
        self._since = BEGINNING

    def sweep(self, transaction: Transaction) -> tuple[int, bool]:
        """Prune a batch. Returns how many interactions were looked at, and whether there may be more."""
        options = {"since": self._since, "age": self._age, "points": POINTS, "keep": 2**40}
        row = transaction.fetch(AGED, options)[0]
        self._since = row.last or self._since
        return row.seen, row.seen == POINTS
