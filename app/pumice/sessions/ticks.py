"""Ticks: due times of jobs, each there once. Who is at one moves its `next_at` ahead of itself.

    inserted by a beat → fanned out page by page (`fan_out`) → its sessions woken, as their runs end (`drain`) → done

A worker process takes ticks and keeps them until they are done. When it is gone, `next_at` passes and another goes on:
all of a tick's progress stands in its row, and is written with what it says.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from pumice.agents.states import Reason
from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import NoRow, Statement

LEASE = 5.0
"""Seconds for which a process has a tick for itself after each step."""
UNSERVED = 60.0
"""Seconds after which a tick of a job that this process does not know is looked at again."""


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


TAKE = Statement(
    "take_ticks",
    """
with free as (
  select t.agent_id, t.job, t.scheduled_for from ticks t
  where t.done_at is null and t.next_at <= now() and t.agent_id = any(%(agents)s) and (t.inserted_at is not null
    or not exists (select from ticks e where e.agent_id = t.agent_id and e.job = t.job
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
"""Takes open ticks of these agents that nobody is at; of a job's, the oldest before the others are fanned out."""

PUT_OFF = Statement(
    "put_off_tick",
    """
update ticks set next_at = now() + %(seconds)s * interval '1 second'
where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s and done_at is null
""",
    NoRow,
)
"""Says when a tick is looked at next, by whoever comes then."""

CLOSE = Statement(
    "close_tick",
    """
with gone as (
  update interactions set status = 'skipped', reason = %(reason)s, reason_code = %(code)s, finished_at = now()
  where kind = 'job' and agent_id = %(agent)s and name = %(job)s and scheduled_for = %(time)s and status = 'queued'
    and attempts = 0 and not exists (select from sessions s where s.agent_id = interactions.agent_id
      and s.id = interactions.session_id and s.lease_token is not null)
  returning 1
)
update ticks set done_at = now(), inserted_at = coalesce(inserted_at, now()), reason_code = %(code)s,
  skipped = skipped + (select count(*) from gone)
where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s and done_at is null
""",
    NoRow,
)
"""Ends a tick that is not run, or not to its end, and skips those of its runs that have not begun."""


def take_ticks(store: StoreConnection, agents: Sequence[str], limit: int) -> list[Tick]:
    """Take up to `limit` open ticks of these agents. Raises `StoreAwayError`."""
    return store.fetch(TAKE, {"agents": list(agents), "limit": limit, "lease": LEASE})


def put_off(store: StoreConnection, tick: Tick, seconds: float) -> None:
    """Leave a tick to whoever comes after so many seconds. Raises `StoreAwayError`."""
    store.fetch(PUT_OFF, {**tick.key, "seconds": seconds})


def close_tick(store: StoreConnection, tick: Tick, reason: Reason, words: str) -> None:
    """End a tick for a reason. Raises `StoreAwayError`."""
    store.fetch(CLOSE, {**tick.key, "reason": words, "code": reason.value})
