"""What beats know of jobs: how far each one's due times are decided, kept in Postgres and untouched by retention.

A decision is one statement: it holds only if nobody decided before, so that any number of beats may run, and it writes
the ticks, what is not run and why, and how far all of that goes together.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from pumice.agents.job_decisions import Decision
from pumice.agents.jobs import Job
from pumice.sessions.connections import StoreConnection
from pumice.sessions.parameters import json_rows
from pumice.sessions.statements import NoRow, Statement

FRESH = 60.0
"""Seconds for which a decision holds: it says what is late by the time at which it was made."""


class Remembered(NamedTuple):
    """What is known of a job."""

    agent_id: str
    name: str
    declaration: str
    decided_until: datetime
    is_paused: bool
    is_removed: bool
    now: datetime


class _Made(NamedTuple):
    scheduled_for: datetime


ADOPT = Statement(
    "adopt_jobs",
    """
insert into jobs (agent_id, name, declaration)
select j.agent_id, j.name, j.declaration from json_to_recordset(%(rows)s::json) as j(agent_id text, name text,
  declaration text)
order by j.agent_id, j.name
on conflict (agent_id, name) do update set declaration = excluded.declaration, seen_at = now(), removed_at = null,
  error = null, decided_until = case when jobs.removed_at is null and jobs.declaration in ('', excluded.declaration)
    then jobs.decided_until else now() end
""",
    NoRow,
)
"""Notes jobs as this code declares them. One that is new, or scheduled in another way, begins now."""

REMOVE = Statement(
    "note_removed_jobs",
    """
update jobs j set removed_at = now() from unnest(%(agents)s::text[]) as a(agent_id)
where j.agent_id = a.agent_id and j.removed_at is null and (j.agent_id, j.name) not in (
  select d.agent_id, d.name from json_to_recordset(%(rows)s::json) as d(agent_id text, name text))
""",
    NoRow,
)
"""Notes which jobs of these agents the code has no more."""

REMEMBER = Statement(
    "remember_jobs",
    """
select agent_id, name, declaration, decided_until, paused_at is not null as is_paused,
  removed_at is not null as is_removed, clock_timestamp() as now
from jobs where agent_id = any(%(agents)s)
""",
    Remembered,
)
"""What is known of these agents' jobs, and what time it is."""

DECIDE = Statement(
    "decide_due_times",
    """
with mine as (
  update jobs set decided_until = %(until)s, seen_at = now(), error = null
  where agent_id = %(agent)s and name = %(job)s and decided_until = %(after)s and declaration = %(declaration)s
    and (paused_at is not null) = %(paused)s and removed_at is null
    and clock_timestamp() < %(now)s::timestamptz + %(fresh)s * interval '1 second'
  returning agent_id, name
), grown as (
  update job_gaps g set last_at = n.last_at, count = g.count + n.count
  from mine m, json_to_recordset(%(gaps)s::json) as n(first_at timestamptz, last_at timestamptz, reason text,
    count bigint)
  where g.agent_id = m.agent_id and g.job = m.name and g.last_at = %(after)s and g.reason_code = n.reason
    and n.first_at = (select min(f.first_at) from json_to_recordset(%(gaps)s::json) as f(first_at timestamptz))
    and %(joins)s
  returning n.first_at as joined
), new_gaps as (
  insert into job_gaps (agent_id, job, first_at, last_at, reason_code, count)
  select m.agent_id, m.name, n.first_at, n.last_at, n.reason, n.count
  from mine m, json_to_recordset(%(gaps)s::json) as n(first_at timestamptz, last_at timestamptz, reason text,
    count bigint)
  where n.first_at not in (select joined from grown)
  on conflict (agent_id, job, first_at) do update set last_at = greatest(job_gaps.last_at, excluded.last_at)
), made as (
  insert into ticks (agent_id, job, scheduled_for, kind, queues, missed, zones)
  select m.agent_id, m.name, n.at, n.kind, n.queues, n.missed,
    (select array_agg(z) from json_array_elements_text(n.zones) z)
  from mine m, json_to_recordset(%(dues)s::json) as n(at timestamptz, kind text, queues boolean, missed bigint,
    zones json)
  on conflict do nothing returning scheduled_for
)
select scheduled_for from made order by scheduled_for
""",
    _Made,
)
"""Writes a decision down, if nobody decided on these due times meanwhile; returns the ticks that are new.

A gap that goes on where one for the same reason ended makes that one longer.
"""

FAIL = Statement(
    "note_job_error",
    "update jobs set error = %(error)s where agent_id = %(agent)s and name = %(job)s",
    NoRow,
)
"""Notes why a job's due times can't be worked out."""


def adopt(store: StoreConnection, jobs: Mapping[tuple[str, str], Job], agents: Sequence[str]) -> None:
    """Note what the code of these agents declares, as the beat that started last. Raises `StoreAwayError`."""
    rows = json_rows(
        [{"agent_id": agent, "name": name, "declaration": job.declaration} for (agent, name), job in jobs.items()]
    )
    with store.transaction() as transaction:
        transaction.fetch(ADOPT, {"rows": rows})
        transaction.fetch(REMOVE, {"rows": rows, "agents": list(agents)})


def remember(
    store: StoreConnection, jobs: Mapping[tuple[str, str], Job], agents: Sequence[str]
) -> Iterable[tuple[Remembered, Job | None]]:
    """What is known of the jobs of these agents, each with its declaration if it is the one that counts.

    Raises `StoreAwayError`.
    """
    for row in store.fetch(REMEMBER, {"agents": list(agents)}, again=True):
        job = jobs.get((row.agent_id, row.name))
        counts = job is not None and not row.is_removed and row.declaration == job.declaration
        yield row, job if counts else None


def write_decision(store: StoreConnection, row: Remembered, decision: Decision) -> list[datetime]:
    """Write a decision down that was made on what `row` says. Returns the due times of the ticks that are new.

    Nothing is written when somebody else decided meanwhile, or when a minute has passed. Raises `StoreAwayError`.
    """
    dues = [
        {"at": due.at.isoformat(), "kind": due.kind, "queues": due.queues, "missed": due.missed, "zones": due.zones}
        for due in decision.dues
    ]
    gaps = [
        {"first_at": gap.first.isoformat(), "last_at": gap.last.isoformat(), "reason": gap.reason, "count": gap.count}
        for gap in decision.gaps
    ]
    first = min([*(due.at for due in decision.dues), *(gap.first for gap in decision.gaps)])
    made = store.fetch(
        DECIDE,
        {
            "agent": row.agent_id,
            "job": row.name,
            "declaration": row.declaration,
            "paused": row.is_paused,
            "after": row.decided_until,
            "now": row.now,
            "fresh": FRESH,
            "until": decision.until,
            "dues": json_rows(dues),
            "gaps": json_rows(gaps),
            "joins": bool(decision.gaps) and decision.gaps[0].first == first,
        },
    )
    return [one.scheduled_for for one in made]


def note_error(store: StoreConnection, agent_id: str, job: str, error: str) -> None:
    """Note why a job's due times can't be worked out. Raises `StoreAwayError`."""
    store.fetch(FAIL, {"agent": agent_id, "job": job, "error": error})
