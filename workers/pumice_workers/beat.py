"""Beat: a Celery scheduler that inserts each due tick once and has it fanned out.

Any number of beats may run: the tick's primary key decides. The tick is inserted before anything is published, so a
publish that fails costs nothing; rescue goes on with ticks that stand still. Time comes from Postgres.
"""

import os
import socket
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from celery.beat import Scheduler

from pumice.agents.due import latest_missed, next_due
from pumice.agents.registry import Registry
from pumice.errors import StoreAwayError
from pumice.logs import Outage, get_logger
from pumice.messaging.wakes import WakePublisher
from pumice.sessions.beats import show_beat
from pumice.sessions.connections import StoreConnection
from pumice.sessions.ticks import Tick, insert_ticks, last_ticks
from pumice.settings import Settings
from pumice_workers.starting import load_agents_or_end

log = get_logger("pumice.beat")


class Clock:
    """Which jobs are due when."""

    def __init__(self, registry: Registry, catch_up: float) -> None:
        self._jobs = {(spec.id, job.name): job for spec in registry.values() for job in spec.jobs.values()}
        self._catch_up = catch_up
        self._due: dict[tuple[str, str], datetime] = {}

    def start(self, last: dict[tuple[str, str], datetime], now: datetime) -> None:
        """Begin at `now`, with the latest due time that each job missed since its last tick."""
        for key, job in self._jobs.items():
            missed = latest_missed(job, last[key], now, self._catch_up) if key in last else None
            self._due[key] = missed or next_due(job, now)

    def take_due(self, now: datetime) -> Iterable[Tick]:
        """The due times up to `now`, each once; of several missed ones of a job, the latest."""
        for key, due in self._due.items():
            if due <= now:
                job = self._jobs[key]
                yield Tick(*key, latest_missed(job, due, now, self._catch_up) or due)
                self._due[key] = next_due(job, now)

    @property
    def next(self) -> datetime | None:
        """The next due time of all."""
        return min(self._due.values(), default=None)


class TickScheduler(Scheduler):  # type: ignore[misc]
    """Celery beat's scheduler. It has no entries of Celery's own: jobs are declared on agents."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        settings: Settings = self.app.settings
        self._store = StoreConnection(settings)
        self._wakes = WakePublisher(settings)
        self._clock = Clock(load_agents_or_end(settings), settings.job_catch_up)
        self._name = f"{socket.gethostname()}:{os.getpid()}"
        self._pending: list[Tick] = []
        self._started = False
        self._away = Outage(log, "postgres")

    def setup_schedule(self) -> None:
        """Nothing: the schedule is in the agents."""

    def tick(self, *_: Any, **__: Any) -> float:
        """Insert what is due. Returns the seconds until the next call."""
        try:
            now = show_beat(self._store, self._name)
            if not self._started:
                self._clock.start(last_ticks(self._store), now)
                self._started = True
            self._pending += self._clock.take_due(now)
            if self._pending:
                self._insert()
        except StoreAwayError as error:
            self._away.begins(error=error)
            return 1.0
        self._away.ends()
        following = self._clock.next
        return 1.0 if following is None else min(max((following - now).total_seconds(), 0.0), 1.0)

    def _insert(self) -> None:
        for tick in insert_ticks(self._store, self._pending):
            log.info("tick", agent=tick.agent_id, job=tick.job, scheduled_for=tick.stamp)
            self._wakes.fan_out(tick.agent_id, tick.job, tick.stamp)
        self._pending = []

    def close(self) -> None:
        """Publish what is left."""
        self._wakes.stop()
        super().close()
