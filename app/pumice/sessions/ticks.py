"""Ticks: due times of jobs, each there once. Who is at one moves its `next_at` ahead of itself.

    inserted by a beat → fanned out page by page (`fan_out`) → its sessions woken, as their runs end (`drain`) → done

A worker process takes ticks and keeps them until they are done. When it is gone, `next_at` passes and another goes on:
all of a tick's progress stands in its row, and is written with what it says.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pumice.agents.states import REASONS, Reason
from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import NoRow, Statement

LEASE = 5.0
"""Seconds for which a process has a tick for itself after each step."""
PAGE = 5_000
"""Sessions that a statement goes through at the most."""
UNSERVED = 60.0
"""Seconds after which a tick, or a run, of a job that this process does not know is looked at again."""


class Tick(NamedTuple):
    """A due time of a job, as a process takes it.

    is_inserted: all of its interactions are made. is_late: it waited for longer than its job's window before anybody
    began. is_removed: the newest code does not have its job.
    """

    agent_id: str
    job: str
    scheduled_for: datetime
    is_inserted: bool
    queues: bool
    missed: int
    zones: list[str] | None
    kind: str
    age: float
    has_begun: bool
    is_removed: bool

    @property
    def key(self) -> dict[str, Any]:
        """What names it, as parameters of a statement."""
        return {"agent": self.agent_id, "job": self.job, "time": self.scheduled_for}


class _Skipped(NamedTuple):
    drained: str


TAKE = Statement(
    "take_ticks",
    """
with free as (
  select t.agent_id, t.job, t.scheduled_for from ticks t
  where t.done_at is null and t.next_at <= now() and t.agent_id = any(%(agents)s) and (t.inserted_at is not null
    or not exists (select from ticks e where e.agent_id = t.agent_id and e.job = t.job and e.queues = t.queues
      and e.scheduled_for < t.scheduled_for and e.done_at is null and e.inserted_at is null))
  order by t.next_at limit %(limit)s for update of t skip locked
), taken as (
  update ticks t set next_at = now() + %(lease)s * interval '1 second', progressed_at = now()
  from free f where t.agent_id = f.agent_id and t.job = f.job and t.scheduled_for = f.scheduled_for
  returning t.*
)
select t.agent_id, t.job, t.scheduled_for, t.inserted_at is not null as is_inserted, t.queues, t.missed, t.zones,
  t.kind, extract(epoch from now() - t.created_at)::float8 as age, t.cursor <> '' or t.zone <> '' as has_begun,
  j.removed_at is not null as is_removed
from taken t left join jobs j on j.agent_id = t.agent_id and j.name = t.job
order by t.scheduled_for
""",
    Tick,
)
"""Takes open ticks of these agents that nobody is at; of a job's, the oldest before the others are fanned out.

Those that were asked for by hand, and queue, do not hold up those that are due.
"""

PUT_OFF = Statement(
    "put_off_tick",
    """
update ticks set next_at = now() + %(seconds)s * interval '1 second'
where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s and done_at is null
""",
    NoRow,
)
"""Says when a tick is looked at next, by whoever comes then."""

SKIP = Statement(
    "skip_runs_of_tick",
    """
with page as materialized (
  select id, session_id, status, status = 'skipped' and finished_at <= accepted_at as is_counted
  from interactions where kind = 'job' and scheduled_for is not null
    and (agent_id, name, scheduled_for, session_id) > (%(agent)s, %(job)s, %(time)s::timestamptz, %(after)s)
    and (agent_id, name, scheduled_for) < (%(agent)s, %(job)s, %(time)s::timestamptz + interval '1 microsecond')
  order by agent_id, name, scheduled_for, session_id limit %(limit)s
), gone as (
  update interactions i set status = 'skipped', reason = %(reason)s, reason_code = %(code)s,
    finished_at = greatest(clock_timestamp(), i.accepted_at + interval '1 microsecond')
  from page p where p.status = 'queued' and i.id = p.id and i.status = 'queued' and i.attempts = 0
    and not exists (select from sessions s where s.agent_id = i.agent_id and s.id = i.session_id
      and s.lease_token is not null)
  returning 1
), ended as (
  select count(*) filter (where status = 'done') as done,
    count(*) filter (where status in ('failed', 'dead')) as failed,
    count(*) filter (where status in ('skipped', 'cancelled') and not is_counted) as skipped, max(session_id) as last
  from page
)
update ticks t set drained = e.last, done = t.done + e.done, failed = t.failed + e.failed,
  skipped = t.skipped + e.skipped + (select count(*) from gone), progressed_at = now(),
  next_at = now() + %(lease)s * interval '1 second'
from ended e where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s and done_at is null
  and drained = %(after)s and e.last is not null
returning t.drained
""",
    _Skipped,
)
"""Skips a page of a tick's runs, those that have not begun, and counts how the others ended."""

CLOSE = Statement(
    "close_tick",
    """
with left_over as (
  select r.id, r.status from ticks t cross join lateral unnest(t.waiting) as w(session_id) cross join lateral (
    select i.id, i.status from interactions i
    where i.kind = 'job' and i.scheduled_for is not null and i.agent_id = t.agent_id and i.name = t.job
      and i.scheduled_for = t.scheduled_for and i.session_id = w.session_id limit 1) r
  where t.agent_id = %(agent)s and t.job = %(job)s and t.scheduled_for = %(time)s and t.done_at is null
), gone as (
  update interactions i set status = 'skipped', reason = %(reason)s, reason_code = %(code)s,
    finished_at = clock_timestamp()
  from left_over r where r.status = 'queued' and i.id = r.id and i.status = 'queued' and i.attempts = 0
    and not exists (select from sessions s where s.agent_id = i.agent_id and s.id = i.session_id
      and s.lease_token is not null)
  returning 1
)
update ticks set done_at = now(), inserted_at = coalesce(inserted_at, now()), reason_code = %(code)s, waiting = '{}',
  done = done + (select count(*) from left_over where status = 'done'),
  failed = failed + (select count(*) from left_over where status in ('failed', 'dead')),
  skipped = skipped + (select count(*) from gone)
    + (select count(*) from left_over where status in ('skipped', 'cancelled'))
where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s and done_at is null
""",
    NoRow,
)
"""Ends a tick that is not run, or not to its end, with the runs that its counts passed over."""


def take_ticks(store: StoreConnection, agents: Sequence[str], limit: int) -> list[Tick]:
    """Take up to `limit` open ticks of these agents. Raises `StoreAwayError`."""
    return store.fetch(TAKE, {"agents": list(agents), "limit": limit, "lease": LEASE})


def put_off(store: StoreConnection, tick: Tick, seconds: float) -> None:
    """Leave a tick to whoever comes after so many seconds. Raises `StoreAwayError`."""
    store.fetch(PUT_OFF, {**tick.key, "seconds": seconds})


def skip_page(store: StoreConnection, tick: Tick, after: str, reason: Reason) -> str | None:
    """Skip up to `PAGE` of the tick's runs, of the sessions after one, for a reason. Returns the last of them, or None.

    Raises `StoreAwayError`.
    """
    given = {"after": after, "limit": PAGE, "lease": LEASE, "reason": REASONS[reason], "code": reason.value}
    skipped = store.fetch(SKIP, tick.key | given)
    return skipped[0].drained if skipped else None


def close_tick(store: StoreConnection, tick: Tick, reason: Reason) -> None:
    """End a tick for a reason. Raises `StoreAwayError`."""
    store.fetch(CLOSE, {**tick.key, "reason": REASONS[reason], "code": reason.value})
