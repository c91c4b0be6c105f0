"""The jobs of an agent under test: when each is due next, and its fan-out to the sessions."""

from datetime import UTC, datetime

from pumice.agents.jobs import Job, Overlap
from pumice.agents.names import RESERVED_PREFIX, static_session_id
from pumice.agents.spec import AgentSpec
from pumice.testing.store import InMemoryStore, NewInteraction

OVERLAP = "overlap: the previous run was not finished"


class DueJobs:
    """The due times of an agent's jobs, in order, beginning after a time."""

    def __init__(self, spec: AgentSpec, after: datetime) -> None:
        self._jobs = spec.jobs
        self._due = {name: _next_due(job, after) for name, job in spec.jobs.items()}

    @property
    def next(self) -> datetime | None:
        """When a job is due next; None for an agent without jobs."""
        return min(self._due.values(), default=None)

    def take(self) -> tuple[Job, datetime]:
        """The job that is due next and its due time; it is due again at its following one."""
        name = min(self._due, key=self._due.__getitem__)
        due = self._due[name]
        self._due[name] = _next_due(self._jobs[name], due)
        return self._jobs[name], due


def fan_out(store: InMemoryStore, job: Job, due: datetime) -> None:
    """Accept one interaction for each session that is not temporary, or a single one for a static job."""
    stamp = due.isoformat()
    if job.static:
        session = store.session(static_session_id(job.name))
        store.accept(session, _run_of(job, due, f"{stamp}/static"))
        return
    for session_id in sorted(store.sessions):
        session = store.sessions[session_id]
        if not session.exists or session.temporary or session_id.startswith(RESERVED_PREFIX):
            continue
        running = any(one.session is session and one.kind == "job" and one.name == job.name for one in store.queued)
        one = store.accept(session, _run_of(job, due, f"{stamp}/{session_id}"))
        if job.overlap == Overlap.SKIP and running and one.status == "queued":
            one.status, one.reason = "skipped", OVERLAP
            store.finish(one)


def _next_due(job: Job, after: datetime) -> datetime:
    due = job.schedule.next(after, job.zone)
    return datetime.max.replace(tzinfo=UTC) if due is None else due


def _run_of(job: Job, due: datetime, key: str) -> NewInteraction:
    dedupe = (f"job:{job.name}", key)
    return NewInteraction(kind="job", name=job.name, payload="{}", dedupe=dedupe, scheduled_for=due)
