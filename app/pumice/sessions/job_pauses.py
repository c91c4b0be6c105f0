"""Pausing jobs and ending their pauses: rows that beats look at every second, so that nobody has to be told."""

from datetime import datetime
from typing import Any, NamedTuple

from pumice.agents.job_times import summed_up, zones_of
from pumice.agents.jobs import Job
from pumice.agents.states import Reason
from pumice.errors import UnknownJob
from pumice.sessions.connections import StoreConnection
from pumice.sessions.job_rows import session_zones
from pumice.sessions.statements import NoRow, Statement


class Pause(NamedTuple):
    """Since when a job is paused, if it is."""

    paused_at: datetime | None


class _Locked(NamedTuple):
    decided_until: datetime
    paused_at: datetime | None
    now: datetime


PAUSE = Statement(
    "pause_job",
    """
insert into jobs (agent_id, name, declaration, paused_at)
select %(agent)s, %(job)s, coalesce(%(declaration)s::text, ''), now() where %(declaration)s::text is not null
  or exists (select from jobs where agent_id = %(agent)s and name = %(job)s)
on conflict (agent_id, name) do update set paused_at = coalesce(jobs.paused_at, now())
returning paused_at
""",
    Pause,
)
"""Pauses a job; one that is not in the code only where it has a row."""

LOCK = Statement(
    "lock_job",
    """
select decided_until, paused_at, now() as now from jobs where agent_id = %(agent)s and name = %(job)s for update
""",
    _Locked,
)
"""Takes a job's row: no beat decides on its due times meanwhile."""

RESUME = Statement(
    "resume_job",
    """
update jobs set paused_at = null, decided_until = greatest(decided_until, %(now)s)
where agent_id = %(agent)s and name = %(job)s
""",
    NoRow,
)
"""Ends a job's pause: nothing that was due in it will run."""

ADD_GAP = Statement(
    "add_gap",
    """
insert into job_gaps (agent_id, job, first_at, last_at, reason_code, count)
values (%(agent)s, %(job)s, %(first)s, %(last)s, %(reason)s, %(count)s) on conflict do nothing
""",
    NoRow,
)
"""Notes due times that were not run."""


def pause(store: StoreConnection, agent_id: str, name: str, job: Job | None) -> datetime:
    """Pause a job: due times from now on are not run. Returns since when it is paused. Raises `UnknownJob`.

    job: its declaration, None where the code has none. What was due before and waits still runs.
    """
    declaration = None if job is None else job.declaration
    rows = store.fetch(PAUSE, {"agent": agent_id, "job": name, "declaration": declaration}, again=True)
    if not rows or rows[0].paused_at is None:
        raise UnknownJob
    return rows[0].paused_at


def resume(store: StoreConnection, agent_id: str, name: str, job: Job | None) -> None:
    """End a job's pause. What was due in it is not run; a beat that has not come to it yet finds it noted.

    Raises `UnknownJob`.
    """
    zones = zones_of(job, session_zones(store, agent_id)) if job is not None else []
    key: dict[str, Any] = {"agent": agent_id, "job": name}
    with store.transaction() as transaction:
        rows = transaction.fetch(LOCK, key)
        if not rows and job is None:
            raise UnknownJob
        if not rows or rows[0].paused_at is None:
            return
        missed = summed_up(job, zones, rows[0].decided_until, rows[0].now) if job is not None else None
        if missed is not None:
            gap = {"first": missed.first, "last": missed.last, "count": missed.count, "reason": Reason.PAUSED.value}
            transaction.fetch(ADD_GAP, key | gap)
        transaction.fetch(RESUME, {**key, "now": rows[0].now})
