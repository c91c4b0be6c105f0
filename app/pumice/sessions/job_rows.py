"""Reading jobs and their ticks: what each job remembers, how far its ticks are, and in which zones its sessions are."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import Statement

MOST_COUNTED = 50_000
"""Runs of a tick under way that a reader counts, beyond those that the tick's row has."""
MOST_LIVE = 10
"""Ticks under way of one page whose runs are counted; the older ones show what their rows have."""


class JobMemory(NamedTuple):
    """What a job remembers; see `JobRow`. missed: how many due times were not run, by the reason."""

    name: str
    declaration: str
    decided_until: datetime
    first_seen_at: datetime
    seen_at: datetime
    removed_at: datetime | None
    paused_at: datetime | None
    error: str | None
    missed: dict[str, int]


class TickProgress(NamedTuple):
    """A tick and how far it is; see `TickRow`."""

    job: str
    scheduled_for: datetime
    kind: str
    sessions: int
    done: int
    failed: int
    skipped: int
    missed: int
    reason_code: str | None
    zone: str
    cursor: str
    woken: str
    drained: str
    created_at: datetime
    inserted_at: datetime | None
    done_at: datetime | None


class _Counts(NamedTuple):
    done: int
    failed: int
    skipped: int


class GoneJob(NamedTuple):
    """A job that is not in the code, and how many of its interactions wait, counted up to `MOST_COUNTED`."""

    name: str
    queued: int


class _Zone(NamedTuple):
    timezone: str


JOBS = Statement(
    "list_jobs",
    """
select j.name, j.declaration, j.decided_until, j.first_seen_at, j.seen_at, j.removed_at, j.paused_at, j.error,
  coalesce((select json_object_agg(g.reason_code, g.count) from (
    select reason_code, sum(count) as count from job_gaps where agent_id = j.agent_id and job = j.name
    group by reason_code order by reason_code) g), '{}') as missed
from jobs j where j.agent_id = %(agent)s and (%(job)s::text is null or j.name = %(job)s) order by j.name
""",
    JobMemory,
)
"""What an agent's jobs remember, or one of them."""

NEWEST_TICKS = Statement(
    "list_newest_ticks",
    """
select t.* from (select unnest(%(jobs)s::text[]) as job) j cross join lateral (
  select job, scheduled_for, kind, sessions, done, failed, skipped, missed, reason_code, zone, cursor, woken, drained,
    created_at, inserted_at, done_at
  from ticks where agent_id = %(agent)s and job = j.job order by scheduled_for desc limit 1
) t
""",
    TickProgress,
)
"""The newest tick of each of these jobs."""

TICKS = Statement(
    "list_ticks",
    """
select job, scheduled_for, kind, sessions, done, failed, skipped, missed, reason_code, zone, cursor, woken, drained,
  created_at, inserted_at, done_at
from ticks
where agent_id = %(agent)s and job = %(job)s and scheduled_for < coalesce(%(before)s::timestamptz, 'infinity')
order by scheduled_for desc limit %(limit)s
""",
    TickProgress,
)
"""A job's newest ticks before a time."""

TICK = Statement(
    "read_tick",
    """
select job, scheduled_for, kind, sessions, done, failed, skipped, missed, reason_code, zone, cursor, woken, drained,
  created_at, inserted_at, done_at
from ticks where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s
""",
    TickProgress,
)
"""One tick."""

UNCOUNTED = Statement(
    "count_runs_of_tick",
    """
select count(*) filter (where status = 'done') as done,
  count(*) filter (where status in ('failed', 'dead')) as failed,
  count(*) filter (where status = 'cancelled' or (status = 'skipped' and finished_at > accepted_at)) as skipped
from (
  select status, finished_at, accepted_at from interactions where kind = 'job' and scheduled_for is not null
    and (agent_id, name, scheduled_for, session_id) > (%(agent)s, %(job)s, %(time)s::timestamptz, %(drained)s)
    and (agent_id, name, scheduled_for) < (%(agent)s, %(job)s, %(time)s::timestamptz + interval '1 microsecond')
  order by agent_id, name, scheduled_for, session_id limit %(most)s
) r
""",
    _Counts,
)
"""How the runs ended that the tick's row does not count yet. Those skipped when they were made it counts already."""

ZONES = Statement(
    "list_zones",
    """
with recursive zones as (
  (select timezone from sessions where agent_id = %(agent)s and timezone is not null order by timezone limit 1)
  union all
  select n.timezone from zones z cross join lateral (select s.timezone from sessions s
    where s.agent_id = %(agent)s and s.timezone > z.timezone order by s.timezone limit 1) n
)
select timezone from zones
""",
    _Zone,
)
"""The timezones of an agent's sessions, from zone to zone by the index, however many sessions each has."""


GONE = Statement(
    "list_gone_jobs",
    """
select j.name, (select count(*) from (select from interactions i where i.kind = 'job' and i.agent_id = j.agent_id
  and i.name = j.name and i.status = 'queued' limit %(most)s) q) as queued
from jobs j where j.agent_id = %(agent)s and not j.name = any(%(declared)s::text[]) order by j.name
""",
    GoneJob,
)
"""The jobs of an agent that are remembered and not declared."""


def list_jobs(store: StoreConnection, agent_id: str) -> dict[str, JobMemory]:
    """What an agent's jobs remember, by their names; also those that are not in the code any more."""
    return {row.name: row for row in store.fetch(JOBS, {"agent": agent_id, "job": None})}


def read_job_memory(store: StoreConnection, agent_id: str, job: str) -> JobMemory | None:
    """What a job remembers; None before a beat first saw it."""
    rows = store.fetch(JOBS, {"agent": agent_id, "job": job})
    return rows[0] if rows else None


def newest_ticks(store: StoreConnection, agent_id: str, jobs: Sequence[str]) -> Mapping[str, TickProgress]:
    """The newest tick of each job that has one, by the job's name."""
    rows = store.fetch(NEWEST_TICKS, {"agent": agent_id, "jobs": list(jobs)})
    return {row.job: row for row in _with_counts(store, agent_id, rows, len(rows))}


def list_ticks(
    store: StoreConnection, agent_id: str, job: str, *, before: datetime | None, limit: int
) -> list[TickProgress]:
    """A job's ticks, newest first, due before that time. Of the first that are under way the runs are counted."""
    rows = store.fetch(TICKS, {"agent": agent_id, "job": job, "before": before, "limit": limit})
    return _with_counts(store, agent_id, rows, MOST_LIVE)


def read_tick(store: StoreConnection, agent_id: str, job: str, at: datetime) -> TickProgress | None:
    """One tick, as its row has it."""
    rows = store.fetch(TICK, {"agent": agent_id, "job": job, "time": at})
    return rows[0] if rows else None


def follow_tick(store: StoreConnection, agent_id: str, job: str, at: datetime) -> TickProgress | None:
    """One tick, with its runs counted."""
    found = read_tick(store, agent_id, job, at)
    return None if found is None else _with_counts(store, agent_id, [found], 1)[0]


def gone_jobs(store: StoreConnection, agent_id: str, declared: Sequence[str]) -> list[GoneJob]:
    """The jobs of an agent that are not among those that its code declares."""
    return store.fetch(GONE, {"agent": agent_id, "declared": list(declared), "most": MOST_COUNTED})


def session_zones(store: StoreConnection, agent_id: str) -> list[str]:
    """The timezones of an agent's sessions."""
    return [row.timezone for row in store.fetch(ZONES, {"agent": agent_id})]


def _with_counts(store: StoreConnection, agent_id: str, rows: list[TickProgress], most: int) -> list[TickProgress]:
    """These ticks; the first `most` that are under way with the runs counted that their rows do not count yet."""
    under_way = [row for row in rows if row.done_at is None]
    live = {(row.job, row.scheduled_for) for row in under_way[:most]}
    return [_counted(store, agent_id, row) if (row.job, row.scheduled_for) in live else row for row in rows]


def _counted(store: StoreConnection, agent_id: str, row: TickProgress) -> TickProgress:
    key: dict[str, Any] = {"agent": agent_id, "job": row.job, "time": row.scheduled_for}
    more = store.fetch(UNCOUNTED, {**key, "drained": row.drained, "most": MOST_COUNTED})[0]
    return row._replace(done=row.done + more.done, failed=row.failed + more.failed, skipped=row.skipped + more.skipped)
