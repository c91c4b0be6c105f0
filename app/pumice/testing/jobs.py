"""The jobs of an agent under test: when each is due next, and its fan-out to the sessions."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from pumice.agents.jobs import Job, Overlap
from pumice.agents.names import RESERVED_PREFIX, static_session_id
from pumice.agents.schedules import LAST, Schedule
from pumice.agents.states import REASONS, Reason
from pumice.testing.conditions import holds
from pumice.testing.interactions import RecordedInteraction, StoredSession
from pumice.testing.store import InMemoryStore, NewInteraction

OVERLAP = "overlap: the previous run was not finished"


@dataclass(frozen=True, slots=True)
class Group:
    """The sessions for which a job is due at the same times: all, those of one timezone, or a single one."""

    job: Job
    key: str
    schedule: Schedule
    zone: ZoneInfo
    sessions: Sequence[StoredSession]


class DueJobs:
    """The due times of an agent's jobs, in order, beginning after the store's time.

    Sessions that are made on the way, or move to another timezone, count from then on.
    """

    def __init__(self, store: InMemoryStore) -> None:
        self._store = store
        self._dues: dict[tuple[str, str], datetime] = {}

    @property
    def next(self) -> datetime | None:
        """When a job is due next; None for an agent without jobs."""
        return min((due for due, _ in self._waiting()), default=None)

    def take(self) -> tuple[Group, datetime]:
        """The group for which a job is due next, and its due time; it is due again at its following one."""
        due, group = min(self._waiting(), key=lambda waiting: waiting[0])
        self._dues[group.job.name, group.key] = group.schedule.next(due, group.zone) or LAST
        return group, due

    def _waiting(self) -> Iterator[tuple[datetime, Group]]:
        now = self._store.now
        for group in (one for job in self._store.spec.jobs.values() for one in _groups(self._store, job)):
            key = group.job.name, group.key
            if key not in self._dues or self._dues[key] < now:
                self._dues[key] = group.schedule.next(now, group.zone) or LAST
            if self._dues[key] < LAST:
                yield self._dues[key], group


def fan_out(store: InMemoryStore, group: Group, due: datetime) -> None:
    """Accept one interaction for each session of the group, or a single one for a static job.

    Raises `LookupError` where the job's condition asks for what is not known of sessions in tests.
    """
    job = group.job
    if job.static:
        store.accept(store.session(static_session_id(job.name)), _run_of(job, due, due))
        return
    for session in group.sessions:
        if job.condition is None or holds(job.condition, session):
            earlier = [one for one in store.queued if one.session is session and (one.kind, one.name) == _named(job)]
            one = store.accept(session, _run_of(job, due, due + job.delay(session.id)))
            if earlier and job.overlap == Overlap.SKIP:
                _end(store, one, "skipped", OVERLAP)
            for other in earlier if job.overlap == Overlap.CANCEL else ():
                _end(store, other, "cancelled", REASONS[Reason.OVERLAP_CANCELLED])


def _groups(store: InMemoryStore, job: Job) -> Iterator[Group]:
    """The groups of a job's sessions; a job that is not local, nor anchored to creations, has one, maybe empty."""
    sessions = [] if job.static else [one for _, one in sorted(store.sessions.items()) if _has_jobs(one, job)]
    if job.by_creation:
        for one in sessions:
            yield Group(job, one.id, job.begun(one.created_at), job.zone, [one])
    elif job.is_local:
        by_zone = defaultdict(list)
        for one in sessions:
            by_zone[one.timezone or "UTC"].append(one)
        for name, found in by_zone.items():
            yield Group(job, name, job.schedule, ZoneInfo(name), found)
    else:
        yield Group(job, "", job.schedule, job.zone, sessions)


def _has_jobs(session: StoredSession, job: Job) -> bool:
    return session.exists and not session.id.startswith(RESERVED_PREFIX) and (job.temporary or not session.temporary)


def _named(job: Job) -> tuple[str, str]:
    return "job", job.name


def _run_of(job: Job, due: datetime, start: datetime) -> NewInteraction:
    dedupe = (f"job:{job.name}", due.astimezone(UTC).isoformat())
    return NewInteraction(kind="job", name=job.name, payload="{}", dedupe=dedupe, scheduled_for=due, available_at=start)


def _end(store: InMemoryStore, one: RecordedInteraction, status: str, reason: str) -> None:
    if one.status == "queued":
        one.status, one.reason = status, reason
        store.finish(one)
