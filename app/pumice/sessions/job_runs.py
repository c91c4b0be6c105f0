"""Runs of jobs that operators ask for: now in all sessions or in one, and of what was due once.

They are rows that workers look for; nobody has to be told.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from pumice.agents.job_times import due_times, zones_of
from pumice.agents.jobs import Job
from pumice.agents.states import REASONS, Reason, Status, TickKind
from pumice.errors import Conflict, InvalidField, UnknownJob, UnknownSession
from pumice.sessions.accept import WAKE_GRACE
from pumice.sessions.connections import StoreConnection
from pumice.sessions.job_rows import read_job_memory, session_zones
from pumice.sessions.statements import Statement

MOST_TICKS = 10_000
"""Due times of one backfill."""
COUNTED = 2 * MOST_TICKS
"""Due times that are counted, to say how many too many they are."""
PLACES = 100
"""Milliseconds by which a run may come later for one that was asked for in the same moment."""


class _Made(NamedTuple):
    scheduled_for: datetime


class _Ticks(NamedTuple):
    ticks: int


class _Now(NamedTuple):
    now: datetime


class SessionRun(NamedTuple):
    """A run of a job in one session, just made."""

    interaction_id: str
    session_id: str
    scheduled_for: datetime
    status: str


RUN = Statement(
    "insert_manual_tick",
    """
insert into ticks (agent_id, job, scheduled_for, kind, queues)
select %(agent)s, %(job)s, t.at, %(kind)s, true from (
  select date_trunc('milliseconds', clock_timestamp()) + n * interval '1 millisecond' as at
  from generate_series(0, %(places)s) n) t
where not exists (select from ticks where agent_id = %(agent)s and job = %(job)s and scheduled_for = t.at)
order by t.at limit 1
on conflict do nothing returning scheduled_for
""",
    _Made,
)
"""Makes a tick of this moment, or of the next free one."""

BACKFILL = Statement(
    "insert_backfill_ticks",
    """
with made as (
  insert into ticks (agent_id, job, scheduled_for, kind, queues)
  select %(agent)s, %(job)s, t.at, %(kind)s, true from unnest(%(times)s::timestamptz[]) as t(at)
  order by t.at on conflict do nothing returning job
)
select count(*) as ticks from made
""",
    _Ticks,
)
"""Makes ticks of due times that have none."""

RUN_SESSION = Statement(
    "insert_manual_run",
    """
with owner as (
  select id, quiet from sessions where agent_id = %(agent)s and id = %(session)s and deleted_at is null for key share
)
insert into interactions (id, agent_id, session_id, kind, name, payload, scheduled_for, wake_at, status, reason,
  reason_code, finished_at, effects)
select pumice_uuid7(), %(agent)s, o.id, 'job', %(job)s, '{}', t.at, now() + %(grace)s * interval '1 second',
  case when o.quiet then %(skipped)s else %(queued)s end, case when o.quiet then %(reason)s end,
  case when o.quiet then %(reason_code)s end, case when o.quiet then now() end,
  case when o.quiet then json_build_array(json_build_object('kind', 'job', 'job', %(job)s::text)) end
from owner o cross join lateral (
  select m.at from (select date_trunc('milliseconds', clock_timestamp()) + n * interval '1 millisecond' as at
    from generate_series(0, %(places)s) n) m
  where not exists (select from interactions i where i.kind = 'job' and i.agent_id = %(agent)s and i.name = %(job)s
    and i.scheduled_for = m.at and i.session_id = o.id)
  order by m.at limit 1) t
on conflict do nothing
returning id::text as interaction_id, session_id, scheduled_for, status
""",
    SessionRun,
)
"""Makes a run in one session, as a tick's fan-out does: a quiet session only has it recorded."""

EXISTS = Statement(
    "find_session_of_run",
    "select now() as now from sessions where agent_id = %(agent)s and id = %(session)s and deleted_at is null",
    _Now,
)
"""Tells a session that is missing from a moment that is taken."""

NOW = Statement("read_clock", "select now() as now", _Now)
"""What time it is, for all processes alike."""


@dataclass(frozen=True, slots=True)
class Backfilled:
    """What a backfill made: ticks of due times that had none; `existing` had one."""

    ticks: int
    existing: int


def database_time(store: StoreConnection) -> datetime:
    """The time by Postgres's clock, which is that of all jobs."""
    return store.fetch(NOW)[0].now


def run_everywhere(store: StoreConnection, agent_id: str, name: str, job: Job | None) -> datetime:
    """Have a job run now in all sessions that it is for, or a static one once. Returns the new tick's time.

    It runs whether or not the job is paused. Raises `UnknownJob`, `Conflict`.
    """
    _in_code(store, agent_id, name, job)
    key = {"agent": agent_id, "job": name, "kind": TickKind.MANUAL.value, "places": PLACES}
    for _ in range(PLACES):
        if rows := store.fetch(RUN, key):
            return rows[0].scheduled_for
    raise Conflict(f"{name} is being run too often at this moment.")


def run_in_session(
    store: StoreConnection, agent_id: str, name: str, job: Job | None, session_id: str, *, grace: float = WAKE_GRACE
) -> SessionRun:
    """Have a job run now in one session, whatever `where` and `temporary` say: it is named.

    grace: seconds after which rescue wakes the session, for a caller that does not. In a quiet session the run is
    recorded and not done. Raises `UnknownJob`, `Conflict`, `InvalidField`, `UnknownSession`.
    """
    if _in_code(store, agent_id, name, job).static:
        raise InvalidField("sessionId", "must not be given: the job is static, and runs once for all sessions")
    key = {"agent": agent_id, "job": name, "session": session_id, "grace": grace, "places": PLACES}
    states = {"queued": Status.QUEUED.value, "skipped": Status.SKIPPED.value}
    quiet = {"reason": REASONS[Reason.QUIET], "reason_code": Reason.QUIET.value}
    for _ in range(PLACES):
        if rows := store.fetch(RUN_SESSION, key | states | quiet):
            return rows[0]
        if not store.fetch(EXISTS, key):
            raise UnknownSession
    raise Conflict(f"{name} is being run too often in that session at this moment.")


def backfill(
    store: StoreConnection, agent_id: str, name: str, job: Job | None, first: datetime, last: datetime
) -> Backfilled:
    """Have a job run for the due times from `first` to `last`, both included, that have no tick.

    Raises `UnknownJob`, `Conflict`, and `InvalidField` when they are too many, or not in the past.
    """
    job = _in_code(store, agent_id, name, job)
    if job.by_creation:
        raise InvalidField("from", "is of no use here: each session has due times of its own; run it for one session")
    if first > last:
        raise InvalidField("from", "must not lie after `to`")
    if last > database_time(store):
        raise InvalidField("to", "must lie in the past")
    times = _times_to_fill(job, session_zones(store, agent_id) if job.is_local else (), first, last)
    made = store.fetch(
        BACKFILL, {"agent": agent_id, "job": name, "kind": TickKind.BACKFILL.value, "times": times}, again=True
    )
    return Backfilled(made[0].ticks, len(times) - made[0].ticks)


def _times_to_fill(job: Job, zones: Sequence[str], first: datetime, last: datetime) -> list[datetime]:
    found = list(islice(due_times(job, zones_of(job, zones), first, last), COUNTED + 1))
    if len(found) > MOST_TICKS:
        number = str(len(found)) if len(found) <= COUNTED else f"more than {COUNTED}"
        raise InvalidField(
            "to",
            f"is too far from `from`: the job was due {number} times between, and {MOST_TICKS} are the most; "
            f"those end at {found[MOST_TICKS - 1].isoformat()}",
        )
    return found


def _in_code(store: StoreConnection, agent_id: str, name: str, job: Job | None) -> Job:
    """The job. Raises `UnknownJob` for one that never was, and `Conflict` for one that is not in the code any more."""
    if job is not None:
        return job
    if read_job_memory(store, agent_id, name) is None:
        raise UnknownJob
    raise Conflict("The job is not in the code any more: there is nothing to run.")
