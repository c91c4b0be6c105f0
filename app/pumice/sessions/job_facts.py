"""What is known of one session, one job and one time: the facts from which `job_explain` tells what happened."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, NamedTuple

from pumice.agents.job_times import zone_named
from pumice.agents.jobs import Job
from pumice.agents.names import RESERVED_PREFIX, checked_session_id, static_session_id
from pumice.agents.schedules import Schedule, is_due
from pumice.errors import InvalidField
from pumice.sessions.connections import StoreConnection
from pumice.sessions.job_rows import JobMemory, TickProgress, read_job_memory, read_tick
from pumice.sessions.signs_of_life import PATIENCE
from pumice.sessions.statements import Statement


class RunFacts(NamedTuple):
    """The interaction that a run is. error: its last attempt's."""

    id: str
    seq: int
    status: str
    reason: str | None
    reason_code: str | None
    attempts: int
    error: dict[str, Any] | None
    available_at: datetime
    accepted_at: datetime
    woken_at: datetime | None
    started_at: datetime | None
    finished_at: datetime | None


class SessionFacts(NamedTuple):
    """The session as it is now. worker: whose turn it has, while it is leased."""

    id: str
    created_at: datetime
    temporary: bool
    quiet: bool
    timezone: str | None
    leased: bool
    leased_at: datetime | None
    blocked_until: datetime | None
    probation: bool
    worker: str | None


class Gap(NamedTuple):
    """Due times that were not run, and the tick that came after them."""

    first_at: datetime
    last_at: datetime
    reason_code: str
    following: datetime | None


class Now(NamedTuple):
    """The time by Postgres's clock, and how many live beats there are."""

    now: datetime
    beats: int


class _Moment(NamedTuple):
    at: datetime | None


RUN = Statement(
    "read_run",
    """
select id::text as id, seq, status, reason, reason_code, attempts, errors -> -1 as error, available_at, accepted_at,
  woken_at, started_at, finished_at
from interactions
where kind = 'job' and agent_id = %(agent)s and name = %(job)s and scheduled_for = %(time)s
  and session_id = %(session)s
""",
    RunFacts,
)
"""The run of a job in a session for a time."""

SESSION = Statement(
    "read_session_of_run",
    """
select s.id, s.created_at, s.temporary, s.quiet, s.timezone, s.lease_token is not null and s.lease_until > now()
  as leased, s.leased_at, s.blocked_until, s.probation, w.name as worker
from sessions s left join workers w on w.id = s.lease_worker
where s.agent_id = %(agent)s and s.id = %(session)s and s.deleted_at is null
""",
    SessionFacts,
)
"""A session as it is now."""

GAP = Statement(
    "find_gap",
    """
select g.first_at, g.last_at, g.reason_code, (select min(scheduled_for) from ticks
  where agent_id = %(agent)s and job = %(job)s and scheduled_for > g.last_at and kind in ('due', 'caught-up'))
  as following
from (select * from job_gaps where agent_id = %(agent)s and job = %(job)s and first_at <= %(time)s
  order by first_at desc limit 1) g
where g.last_at >= %(time)s
""",
    Gap,
)
"""The due times that were not run among which a time lies."""

NOW = Statement(
    "read_clock_and_beats",
    "select now() as now, (select count(*) from beats where seen_at > now() - %(patience)s * interval '1 second')"
    " as beats",
    Now,
)
"""What time it is, and whether a beat lives."""

NEAREST = Statement(
    "find_moment_of_run",
    """
select coalesce(
  (select min(scheduled_for) from ticks where agent_id = %(agent)s and job = %(job)s
    and scheduled_for >= %(time)s and scheduled_for < %(time)s + interval '1 second'),
  (select min(scheduled_for) from interactions where kind = 'job' and agent_id = %(agent)s and name = %(job)s
    and scheduled_for >= %(time)s and scheduled_for < %(time)s + interval '1 second' and session_id = %(session)s)
) as at
""",
    _Moment,
)
"""The first tick within a second, or else the session's first run: what was run by hand has milliseconds.

Ticks first: without one, runs by hand are all that the second scan reads, and they are few.
"""


@dataclass(frozen=True, slots=True)
class Question:
    """Which session, job and time. job: its declaration, None where the code has none.

    retention: seconds for which finished interactions are kept.
    """

    agent_id: str
    name: str
    job: Job | None
    session_id: str
    at: datetime
    retention: float

    @property
    def is_static(self) -> bool:
        """Whether it is about the one run for all sessions."""
        return self.session_id.startswith(RESERVED_PREFIX)


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known. at: the time that was asked about, or of what was run by hand within that second."""

    question: Question
    at: datetime
    clock: Now
    memory: JobMemory | None
    session: SessionFacts | None
    run: RunFacts | None
    tick: TickProgress | None
    gap: Gap | None


def asked_session(job: Job | None, name: str, given: str | None) -> str:
    """The session that a question about a job is about; Pumice's own for a static job. Raises `InvalidField`."""
    if given is None:
        if job is not None and not job.static:
            raise InvalidField("sessionId", "is required: the job runs in each session")
        return static_session_id(name)
    if job is not None and job.static:
        raise InvalidField("sessionId", "must not be given: the job is static, and runs once for all sessions")
    return checked_session_id(given)


def gather(store: StoreConnection, question: Question) -> Facts:
    """Look all of it up, by key and by index. Raises `StoreAwayError`."""
    key: dict[str, Any] = {"agent": question.agent_id, "job": question.name, "session": question.session_id}
    sessions = store.fetch(SESSION, key)
    session = sessions[0] if sessions else None
    at = key["time"] = question.at
    if not at.microsecond and not _is_due(question, session):
        at = key["time"] = store.fetch(NEAREST, key)[0].at or at
    runs = store.fetch(RUN, key)
    gaps = store.fetch(GAP, key)
    return Facts(
        question=question,
        at=at.astimezone(UTC),
        clock=store.fetch(NOW, {"patience": PATIENCE})[0],
        memory=read_job_memory(store, question.agent_id, question.name),
        session=session,
        run=runs[0] if runs else None,
        tick=read_tick(store, question.agent_id, question.name, at),
        gap=gaps[0] if gaps else None,
    )


def schedule_in(job: Job, session: SessionFacts | None) -> tuple[Schedule, tzinfo]:
    """A job's schedule and the timezone in which it is read: in that session, or without one."""
    if session is None:
        return job.schedule, job.zone
    zone = zone_named(session.timezone) if job.is_local else job.zone
    return job.begun(session.created_at), zone


def _is_due(question: Question, session: SessionFacts | None) -> bool:
    if question.job is None:
        return False
    schedule, zone = schedule_in(question.job, session)
    return is_due(schedule, question.at, zone)
