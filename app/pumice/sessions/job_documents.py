"""Jobs and their ticks as clients and commands see them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pumice.agents.job_times import coming_times, newest_time, zones_of
from pumice.agents.jobs import Job
from pumice.agents.schedules import Every
from pumice.agents.states import reason_words
from pumice.errors import UnknownJob
from pumice.sessions.connections import StoreConnection
from pumice.sessions.job_rows import JobMemory, TickProgress, list_jobs, newest_ticks, session_zones
from pumice.sessions.job_runs import database_time

NEXT = 3
"""How many of a job's next due times are told."""


def job_documents(store: StoreConnection, agent_id: str, jobs: Mapping[str, Job]) -> list[dict[str, Any]]:
    """An agent's jobs in the order of their names: those of the code, and those that are only remembered."""
    memories = list_jobs(store, agent_id)
    names = sorted({*jobs, *memories})
    ticks = newest_ticks(store, agent_id, names)
    zones = session_zones(store, agent_id) if any(job.is_local for job in jobs.values()) else ()
    now = database_time(store)
    return [
        {"agentId": agent_id, "name": name}
        | _declared(jobs.get(name), zones, now)
        | _remembered(memories.get(name), is_declared=name in jobs)
        | {"lastTick": tick_document(ticks[name]) if name in ticks else None}
        for name in names
    ]


def job_document(store: StoreConnection, agent_id: str, jobs: Mapping[str, Job], name: str) -> dict[str, Any]:
    """One of an agent's jobs. Raises `UnknownJob`."""
    for one in job_documents(store, agent_id, jobs):
        if one["name"] == name:
            return one
    raise UnknownJob


def tick_document(row: TickProgress) -> dict[str, Any]:
    """A tick, and how far it is."""
    return {
        "scheduledFor": row.scheduled_for.isoformat(),
        "kind": row.kind,
        "sessions": row.sessions,
        "done": row.done,
        "failed": row.failed,
        "skipped": row.skipped,
        "missed": row.missed,
        "reason": None if row.reason_code is None else reason_words(row.reason_code),
        "reasonCode": row.reason_code,
        "createdAt": row.created_at.isoformat(),
        "insertedAt": _text(row.inserted_at),
        "doneAt": _text(row.done_at),
    }


def _declared(job: Job | None, zones: Iterable[str], now: datetime) -> dict[str, Any]:
    """What the code says of a job; nothing where it is not in the code."""
    if job is None:
        names = ("cron", "every", "timezone", "overlap", "catchUp", "catchUpWindow", "jitter", "anchor", "static")
        return {**dict.fromkeys((*names, "temporary", "lastDue")), "nextDue": []}
    is_interval = isinstance(job.schedule, Every)
    last, following = _due(job, list(zones), now)
    return {
        "cron": None if is_interval else job.schedule.text,
        "every": job.schedule.seconds if isinstance(job.schedule, Every) else None,
        "timezone": job.timezone,
        "overlap": job.overlap.value,
        "catchUp": job.catch_up.value,
        "catchUpWindow": job.catch_up_window,
        "jitter": job.jitter,
        "anchor": "created" if job.by_creation else "epoch" if is_interval else None,
        "static": job.static,
        "temporary": job.temporary,
        "lastDue": _text(last),
        "nextDue": [due.isoformat() for due in following],
    }


def _due(job: Job, names: Sequence[str], now: datetime) -> tuple[datetime | None, list[datetime]]:
    """The job's last due time and its next ones, in its timezone; none where each session has its own."""
    if job.by_creation:
        return None, []
    zones = zones_of(job, names)
    last = newest_time(job, zones, now)
    following = coming_times(job, zones, now, NEXT)
    return None if last is None else last.astimezone(job.zone), [due.astimezone(job.zone) for due in following]


def _remembered(memory: JobMemory | None, *, is_declared: bool) -> dict[str, Any]:
    """What the job remembers. removed: it is not in the code here, or not in the newest that a beat runs."""
    if memory is None:
        names = ("pausedAt", "removedAt", "error", "firstSeenAt", "decidedUntil")
        return {"paused": False, "removed": False, **dict.fromkeys(names), "missed": {}}
    return {
        "paused": memory.paused_at is not None,
        "removed": memory.removed_at is not None or not is_declared,
        "pausedAt": _text(memory.paused_at),
        "removedAt": _text(memory.removed_at),
        "error": memory.error,
        "firstSeenAt": memory.first_seen_at.isoformat(),
        "decidedUntil": memory.decided_until.isoformat(),
        "missed": memory.missed,
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
