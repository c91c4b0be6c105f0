"""Beat: a Celery scheduler that decides what becomes of each job's due times, and has ticks fanned out.

Any number of beats may run, and be killed and started at will: how far each job is decided stands in Postgres, whose
clock counts, and a decision holds only if nobody decided before. Ticks are inserted before anything is published, so a
publish that fails costs nothing: workers look for ticks by themselves.
"""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, tzinfo
from typing import Any

import psycopg
from celery.beat import Scheduler

from pumice.agents.job_decisions import decide
from pumice.agents.job_times import zone_named
from pumice.agents.jobs import Job
from pumice.errors import StoreAwayError
from pumice.logs import Outage, get_logger
from pumice.messaging.wakes import WakePublisher
from pumice.sessions.beats import show_beat
from pumice.sessions.connections import StoreConnection
from pumice.sessions.job_memory import Remembered, adopt, note_error, remember, write_decision
from pumice.sessions.job_rows import session_zones
from pumice.settings import Settings
from pumice_workers.starting import load_agents_or_end

INTERVAL = 1.0
"""Seconds between two looks at most: a job that is resumed, or a session's new timezone, is seen then."""

log = get_logger("pumice.beat")
JobKey = tuple[str, str]


class TickScheduler(Scheduler):  # type: ignore[misc]
    """Celery beat's scheduler. It has no entries of Celery's own: jobs are declared on agents."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings: Settings = self.app.settings
        registry = load_agents_or_end(settings)
        self._catch_up = settings.job_catch_up
        self._store = StoreConnection(settings)
        self._wakes = WakePublisher(settings)
        self._agents = list(registry)
        self._jobs = {(spec.id, job.name): job for spec in registry.values() for job in spec.jobs.values()}
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._next: dict[JobKey, tuple[datetime, frozenset[str], datetime | None]] = {}
        self._superseded: set[JobKey] = set()
        self._failing: set[JobKey] = set()
        self._adopted = False
        self._away = Outage(log, "postgres")

    def setup_schedule(self) -> None:
        """Nothing: the schedule is in the agents."""

    def tick(self, *_: Any, **__: Any) -> float:
        """Decide on what is due. Returns the seconds until the next call."""
        try:
            show_beat(self._store, self._name)
            if not self._adopted:
                adopt(self._store, self._jobs, self._agents)
                self._adopted = True
            wait = self._look()
        except StoreAwayError as error:
            self._away.begins(error=error)
            return INTERVAL
        except psycopg.Error:
            log.exception("beat_failed")
            self._store.close()
            return INTERVAL
        self._away.ends()
        return wait

    def _look(self) -> float:
        """Look at each job. Returns the seconds until the next is due. Raises `StoreAwayError`."""
        wait = INTERVAL
        zones: dict[str, Mapping[str, tzinfo]] = {}
        for row, job in list(remember(self._store, self._jobs, self._agents)):
            key = row.agent_id, row.name
            if job is None:
                self._pass_over(key)
                continue
            self._superseded.discard(key)
            try:
                if job.is_local and row.agent_id not in zones:
                    zones[row.agent_id] = self._zones(row.agent_id)
                where = zones[row.agent_id] if job.is_local else {"": job.zone}
                wait = min(wait, self._decide(row, job, where))
                self._failing.discard(key)
            except StoreAwayError:
                raise
            except Exception as error:  # one job's fault is not the others'
                self._fail(key, error)
        return wait

    def _decide(self, row: Remembered, job: Job, zones: Mapping[str, tzinfo]) -> float:
        """Decide on what is due of one job. Returns the seconds until it is due next."""
        key, names = (row.agent_id, row.name), frozenset(zones)
        known = self._next.get(key)
        if known is None or known[:2] != (row.decided_until, names):
            dues = [job.schedule.next(row.decided_until, zone) for zone in zones.values()]
            known = row.decided_until, names, min((due for due in dues if due is not None), default=None)
            self._next[key] = known
        due = known[2]
        if due is None:
            return INTERVAL
        if due > row.now:
            return (due - row.now).total_seconds()
        window = self._catch_up if job.catch_up_window is None else job.catch_up_window
        decision = decide(job, row.decided_until, row.now, window=window, paused=row.is_paused, zones=zones)
        if decision is None:
            return INTERVAL
        for gap in decision.gaps:
            log.warning("not_run", agent=row.agent_id, job=row.name, first=gap.first.isoformat(), count=gap.count,
                        reason=gap.reason)  # fmt: skip
        for scheduled_for in write_decision(self._store, row, decision):
            stamp = scheduled_for.isoformat()
            log.info("tick", agent=row.agent_id, job=row.name, scheduled_for=stamp)
            self._wakes.fan_out(row.agent_id, row.name, stamp)
        return 0.0

    def _zones(self, agent_id: str) -> Mapping[str, tzinfo]:
        """The timezones of an agent's sessions; '' is that of sessions without one."""
        return {name: zone_named(name) for name in ("", *session_zones(self._store, agent_id))}

    def _pass_over(self, key: JobKey) -> None:
        """Leave a job alone that newer code declares in another way, or not at all."""
        if key in self._jobs and key not in self._superseded:
            self._superseded.add(key)
            log.warning("job_superseded", agent=key[0], job=key[1])

    def _fail(self, key: JobKey, error: Exception) -> None:
        """Note that a job's due times can't be worked out. Raises `StoreAwayError`."""
        if isinstance(error, psycopg.Error):
            self._store.close()
        if key in self._failing:
            return
        self._failing.add(key)
        log.error("job_failed", agent=key[0], job=key[1], exc_info=error)
        with suppress(psycopg.Error):
            note_error(self._store, *key, f"{type(error).__name__}: {error}")

    def close(self) -> None:
        """Publish what is left."""
        self._wakes.stop()
        super().close()
