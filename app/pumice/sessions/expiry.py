"""Sessions that end by themselves: temporary ones past their time, and those to which nothing but jobs ever happened.

A session with a long history is first emptied, batch by batch, and then deleted like a short one. Emptying begins with
hiding all of it: whoever uses the session again meanwhile finds a new one.
"""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from pumice.sessions.connections import Transaction
from pumice.sessions.statements import NoRow, Statement

PAGE = 500
SHORT = 50
"""Messages, and interactions, up to which a session is deleted in one go with others."""
ROWS = 5_000
"""Messages, and interactions, of a long session that go in one transaction."""
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


class _Expired(NamedTuple):
    """What a page of expired sessions came to. `agent_id` and `id`: one that is too long to go at once."""

    seen: int
    gone: int
    last: datetime | None
    agent_id: str | None
    id: str | None


class _Empty(NamedTuple):
    """What a page of sessions came to. `agent_id` and `id`: an empty one with too many runs of jobs to go at once."""

    seen: int
    gone: int
    last_agent: str | None
    last_id: str | None
    agent_id: str | None
    id: str | None


EXPIRED = Statement(
    "sweep_sessions",
    """
with page as (
  select agent_id, id, expires_at, lease_token from sessions
  where temporary and expires_at > %(since)s and expires_at < now() and line is null order by expires_at limit %(page)s
), idle as (
  select p.agent_id, p.id, (
      (select count(*) from (select from messages m where m.agent_id = p.agent_id and m.session_id = p.id
        limit %(short)s + 1) x) > %(short)s
      or (select count(*) from (select from interactions i where i.agent_id = p.agent_id and i.session_id = p.id
        and (i.dedupe_key is null or i.accepted_at < now() - %(window)s * interval '1 second')
        limit %(short)s + 1) x) > %(short)s) as long
  from page p
  where p.lease_token is null and not exists (select from interactions i
    where i.agent_id = p.agent_id and i.session_id = p.id and i.status = 'queued')
    and not exists (select from schedules c
      where c.agent_id = p.agent_id and c.session_id = p.id and c.cron is null and c.every is null)
), free as (
  select s.agent_id, s.id from idle p join sessions s on s.agent_id = p.agent_id and s.id = p.id
  where not p.long and s.expires_at < now() and s.lease_token is null and s.line is null for update of s skip locked
), gone as (
  delete from sessions s using free f where s.agent_id = f.agent_id and s.id = f.id returning s.agent_id, s.id
), said as (
  delete from messages m using gone g where m.agent_id = g.agent_id and m.session_id = g.id
), kept as (
  delete from keyframes k using gone g where k.agent_id = g.agent_id and k.session_id = g.id
), named as (
  delete from snapshots n using gone g where n.agent_id = g.agent_id and n.session_id = g.id
), unscheduled as (
  delete from schedules c using gone g where c.agent_id = g.agent_id and c.session_id = g.id
), done as (
  delete from interactions i using gone g
  where i.agent_id = g.agent_id and i.session_id = g.id and i.status <> 'queued'
    and (i.dedupe_key is null or i.accepted_at < now() - %(window)s * interval '1 second')
), longest as (select agent_id, id from idle where long limit 1)
select (select count(*) from page) as seen, (select count(*) from gone) as gone,
  (select max(expires_at) from page) as last, (select agent_id from longest) as agent_id, (select id from longest) as id
""",
    _Expired,
)
"""Deletes temporary sessions past their time that have nothing left to do, with all that belongs to them, but for
deliveries that may still be repeated: they keep their answers. One that is to be called later, once, waits for that."""

EMPTY_OUT = Statement(
    "empty_session",
    """
with held as (
  select agent_id, id, message_count from sessions s
  where agent_id = %(agent)s and id = %(session)s and temporary and expires_at < now() and lease_token is null
    and line is null
    and not exists (select from interactions i where i.agent_id = s.agent_id and i.session_id = s.id
      and i.status = 'queued')
    and not exists (select from schedules c
      where c.agent_id = s.agent_id and c.session_id = s.id and c.cron is null and c.every is null)
  for update skip locked
), hidden as (
  update sessions s set state = null, stale = false, state_delta = null, base = null, keyframe = null,
    transcript = null, history_start = h.message_count from held h
  where s.agent_id = h.agent_id and s.id = h.id
), said as (
  select m.agent_id, m.session_id, m.seq from held h cross join lateral (select m.agent_id, m.session_id, m.seq
    from messages m where m.agent_id = h.agent_id and m.session_id = h.id and m.seq < h.message_count
    order by m.seq limit %(rows)s) m
), unsaid as (
  delete from messages m using said d where m.agent_id = d.agent_id and m.session_id = d.session_id and m.seq = d.seq
), ran as (
  select i.id from held h cross join lateral (select i.id from interactions i
    where i.agent_id = h.agent_id and i.session_id = h.id and i.status <> 'queued'
    and (i.dedupe_key is null or i.accepted_at < now() - %(window)s * interval '1 second')
    order by i.seq limit %(rows)s) i
)
delete from interactions i using ran where i.id = ran.id
""",
    NoRow,
)
"""Hides what a temporary session past its time has stored, and deletes the oldest rows of it."""

EMPTY = Statement(
    "sweep_empty_sessions",
    """
with page as (
  select agent_id, id, used, temporary, message_count, metadata, created_at, lease_token, line, parent_line
  from sessions
  where (agent_id, id) > (%(last_agent)s, %(last_id)s) order by agent_id, id limit %(page)s
), empty as (
  select p.agent_id, p.id, (select count(*) from (select from interactions i
    where i.agent_id = p.agent_id and i.session_id = p.id limit %(short)s + 1) x) > %(short)s as long
  from page p
  where not p.used and not p.temporary and p.message_count = 0 and p.metadata = '{}' and p.lease_token is null
    and p.created_at < now() - %(ttl)s * interval '1 second' and p.id not like '$%%' and p.line is null
    and p.parent_line is null
    and not exists (select from interactions i where i.agent_id = p.agent_id and i.session_id = p.id
      and (i.kind <> 'job' or i.status = 'queued'))
    and not exists (select from schedules c where c.agent_id = p.agent_id and c.session_id = p.id)
), free as (
  select s.agent_id, s.id from empty e join sessions s on s.agent_id = e.agent_id and s.id = e.id
  where not e.long and s.lease_token is null and s.message_count = 0 and not s.used and s.metadata = '{}'
    and s.line is null
  for update of s skip locked
), gone as (
  delete from sessions s using free f where s.agent_id = f.agent_id and s.id = f.id returning s.agent_id, s.id
), kept as (
  delete from keyframes k using gone g where k.agent_id = g.agent_id and k.session_id = g.id
), named as (
  delete from snapshots n using gone g where n.agent_id = g.agent_id and n.session_id = g.id
), ran as (
  delete from interactions i using gone g where i.agent_id = g.agent_id and i.session_id = g.id and i.kind = 'job'
    and i.status <> 'queued'
), longest as (select agent_id, id from empty where long limit 1), last as (
  select agent_id, id from page order by agent_id desc, id desc limit 1)
select (select count(*) from page) as seen, (select count(*) from gone) as gone,
  (select agent_id from last) as last_agent, (select id from last) as last_id,
  (select agent_id from longest) as agent_id, (select id from longest) as id
""",
    _Empty,
)
"""Looks at a page of all sessions, and deletes those that are old enough and had nothing but jobs: no message, no
metadata, no schedule, no interaction of another kind, now or before."""

DELETE_RUNS = Statement(
    "delete_runs",
    """
delete from interactions where id in (select id from interactions
  where agent_id = %(agent)s and session_id = %(session)s and kind = 'job' and status <> 'queued'
  order by seq limit %(rows)s)
""",
    NoRow,
)
"""Deletes the oldest runs of a session's jobs."""


class ExpiredSessions:
    """Temporary sessions past their time, walked through by that time."""

    def __init__(self, window: float) -> None:
        """`window`: seconds for which a delivery may be repeated."""
        self._window = window
        self._since = BEGINNING

    def sweep(self, transaction: Transaction) -> tuple[int, bool]:
        """Delete those of a page that can go. Returns how many went, and whether the walk goes on."""
        options: dict[str, Any] = {"window": self._window, "page": PAGE, "short": SHORT, "rows": ROWS}
        row = transaction.fetch(EXPIRED, {**options, "since": self._since})[0]
        if row.id is not None:
            transaction.fetch(EMPTY_OUT, {**options, "agent": row.agent_id, "session": row.id})
            return row.gone, True
        more = row.seen == PAGE
        self._since = row.last if more and row.last else BEGINNING
        return row.gone, more


class EmptySessions:
    """Sessions to which nothing but jobs ever happened. All sessions are walked through, a page at a time."""

    def __init__(self, ttl: float) -> None:
        """`ttl`: seconds after its creation for which such a session is kept."""
        self._ttl = ttl
        self._last = "", ""

    def sweep(self, transaction: Transaction) -> tuple[int, bool]:
        """Delete those of a page that can go. Returns how many went, and whether there may be more nearby."""
        last_agent, last_id = self._last
        options = {"ttl": self._ttl, "page": PAGE, "short": SHORT, "last_agent": last_agent, "last_id": last_id}
        row = transaction.fetch(EMPTY, options)[0]
        if row.id is not None:
            transaction.fetch(DELETE_RUNS, {"agent": row.agent_id, "session": row.id, "rows": ROWS})
            return row.gone, True
        more = row.seen == PAGE
        self._last = (row.last_agent or "", row.last_id or "") if more else ("", "")
        return row.gone, more and row.gone > 0
