"""The thread of a worker process that brings ticks on: it takes those that nobody is at, and goes from one to the next.

Ticks come from Postgres, whoever made them; the Celery message `pumice.fan_out` only says that there is one (`hint`).
A process has up to `MOST` at a time and gives each a step in turn, so that a tick over a million sessions holds up no
other.
"""

import threading
import time
from collections.abc import Iterable, Mapping

import psycopg

from pumice.agents.jobs import Job
from pumice.agents.spec import AgentSpec
from pumice.agents.states import REASONS, Reason, TickKind
from pumice.errors import StoreAwayError
from pumice.logs import Outage, get_logger
from pumice.messaging.wakes import Wake
from pumice.sessions.connections import StoreConnection
from pumice.sessions.job_conditions import PageCondition
from pumice.sessions.ticks import UNSERVED, Tick, close_tick, put_off, take_ticks
from pumice_workers.run_canceller import RunCanceller
from pumice_workers.services import Services
from pumice_workers.tick_run import TickRun

MOST = 8
"""Ticks that one process has at a time."""
IDLE = 0.5
"""Seconds between two looks for ticks while this process has none."""
BUSY = 0.02
AGAIN = 5.0
"""Seconds after which a tick is tried again that could not be brought on."""

log = get_logger("pumice.jobs")


class FanOutLoop:
    """Brings ticks on."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._registry: Mapping[str, AgentSpec] = services.registry
        self._store = StoreConnection(services.settings)
        self._conditions = _conditions(services.registry)
        self._cancel = RunCanceller(services)
        self._runs: dict[tuple[str, str, str], TickRun] = {}
        self._looked = 0.0
        self._away = Outage(log, "jobs_store")
        self._hinted = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="pumice-fan-out", daemon=True)
        self._thread.start()

    def hint(self) -> None:
        """Have it look for ticks now."""
        self._looked = 0.0
        self._hinted.set()

    def stop(self) -> None:
        """End the thread, and leave its ticks to other processes."""
        self._stopping = True
        self._hinted.set()
        if self._thread is not None:
            self._thread.join(AGAIN)

    def _run(self) -> None:
        while not self._stopping:
            self._hinted.clear()
            try:
                busy = self._round()
                self._away.ends()
            except StoreAwayError as error:
                self._away.begins(error=error)
                self._runs.clear()  # others go on with them, or this process does, once it finds them again
                busy = False
            if not busy:
                self._hinted.wait(BUSY if self._runs else IDLE)
        self._leave()

    def _round(self) -> bool:
        """Give each tick a step. Returns whether there was something to do."""
        if time.monotonic() - self._looked > IDLE and len(self._runs) < MOST:
            self._looked = time.monotonic()
            for tick in take_ticks(self._store, list(self._registry), MOST - len(self._runs)):
                self._begin(tick)
        busy = [self._step(key, run) for key, run in list(self._runs.items())]
        return any(busy)

    def _begin(self, tick: Tick) -> None:
        """Begin with a tick, or say what becomes of one that can't be run here."""
        job = self._registry[tick.agent_id].jobs.get(tick.job)
        known = {"agent": tick.agent_id, "job": tick.job, "scheduled_for": tick.scheduled_for.isoformat()}
        if tick.is_removed:
            close_tick(self._store, tick, Reason.REMOVED, REASONS[Reason.REMOVED])
            log.warning("tick_removed", **known)
        elif job is None:
            put_off(self._store, tick, UNSERVED)
            log.warning("tick_unknown", **known)
        elif self._is_too_late(tick, job):
            close_tick(self._store, tick, Reason.CATCH_UP, REASONS[Reason.CATCH_UP])
            log.warning("tick_too_late", **known)
        else:
            self._runs[tick.agent_id, tick.job, known["scheduled_for"]] = TickRun(
                tick, job, self._conditions.get((tick.agent_id, tick.job)), self._cancel
            )

    def _is_too_late(self, tick: Tick, job: Job) -> bool:
        """Whether nobody began with it for longer than its job catches up."""
        window = self._services.settings.job_catch_up if job.catch_up_window is None else job.catch_up_window
        waits = tick.kind in {TickKind.DUE, TickKind.CAUGHT_UP} and not tick.has_begun and not tick.is_inserted
        return waits and tick.age > max(window, AGAIN * 12)

    def _step(self, key: tuple[str, str, str], run: TickRun) -> bool:
        """Give one tick a step. What goes wrong with it is its own affair."""
        try:
            done = run.step(self._store, lambda sessions: self._wake(run.tick.agent_id, sessions))
        except StoreAwayError:
            raise
        except Exception as error:
            if isinstance(error, psycopg.Error):
                self._store.close()
            log.exception("tick_failed", agent=run.tick.agent_id, job=run.tick.job)
            del self._runs[key]
            put_off(self._store, run.tick, AGAIN)
            return False
        if done is None:
            del self._runs[key]
        return bool(done)

    def _wake(self, agent_id: str, sessions: Iterable[str]) -> None:
        self._services.wakes.wake(Wake.of(agent_id, session_id, "job") for session_id in sessions)

    def _leave(self) -> None:
        try:
            for run in self._runs.values():
                put_off(self._store, run.tick, 0.0)
        except StoreAwayError as error:
            log.warning("ticks_not_left", error=error)
        self._store.close()


def _conditions(registry: Mapping[str, AgentSpec]) -> dict[tuple[str, str], PageCondition]:
    """The conditions of all jobs that have one, by agent and job."""
    return {
        (agent_id, name): PageCondition(job.condition, by_zone=job.is_local, temporary=job.temporary)
        for agent_id, spec in registry.items()
        for name, job in spec.jobs.items()
        if job.condition is not None
    }
