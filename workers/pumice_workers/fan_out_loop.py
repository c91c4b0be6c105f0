"""The thread of a worker process that brings ticks on: it takes those that nobody is at, and goes from one to the next.

Ticks come from Postgres, whoever made them; the Celery message `pumice.fan_out` only says that there is one (`hint`).
A process has up to `MOST` at a time and gives each a step in turn, so that a tick over a million sessions holds up no
other. When it has as many and more are open, it leaves the one that it has had for longest.
"""

import threading
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress

import psycopg
from psycopg.errors import LockNotAvailable

from pumice.agents.jobs import Job
from pumice.agents.spec import AgentSpec
from pumice.agents.states import Reason, TickKind
from pumice.errors import StoreAwayError, StoreBusyError
from pumice.logs import Outage, get_logger
from pumice.messaging.wakes import Wake
from pumice.sessions.connections import StoreConnection
from pumice.sessions.job_conditions import PageCondition
from pumice.sessions.ticks import UNSERVED, Tick, put_off, take_ticks
from pumice_workers.run_canceller import RunCanceller
from pumice_workers.services import Services
from pumice_workers.tick_closing import TickClosing
from pumice_workers.tick_run import TickRun

MOST = 32
"""Ticks that one process has at a time."""
LOCK_WAIT = 2.0
"""Seconds that a step waits for a lock: others' steps wait with it."""
IDLE = 0.5
"""Seconds between two looks for ticks while this process has none."""
BUSY = 0.02
AGAIN = 5.0
"""Seconds after which a tick is tried again that could not be brought on."""
HELD = 1.0
"""The same, for a tick that waited for a lock."""

Key = tuple[str, str, str]
Run = TickRun | TickClosing

log = get_logger("pumice.jobs")


class FanOutLoop:
    """Brings ticks on."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._registry: Mapping[str, AgentSpec] = services.registry
        self._store = StoreConnection(services.settings, lock_wait=LOCK_WAIT)
        self._conditions = _conditions(services.registry)
        self._cancel = RunCanceller(services)
        self._runs: dict[Key, Run] = {}
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
            except Exception:
                log.exception("ticks_failed")
                self._runs.clear()
                self._store.close()
                busy = False
                self._hinted.wait(AGAIN)
            if not busy:
                self._hinted.wait(BUSY if self._runs else IDLE)
        self._leave()

    def _round(self) -> bool:
        """Give each tick a step. Returns whether there was something to do."""
        if time.monotonic() - self._looked > IDLE:
            self._take()
        busy = [self._step(key, run) for key, run in list(self._runs.items())]
        return any(busy)

    def _take(self) -> None:
        """Take what is open, and leave the ticks that are one too many."""
        self._looked = time.monotonic()
        for tick in take_ticks(self._store, list(self._registry), max(MOST - len(self._runs), 1)):
            with suppress(StoreBusyError, LockNotAvailable):
                self._begin(tick)
        while len(self._runs) > MOST:
            oldest = next(iter(self._runs))
            self._put_off(self._runs.pop(oldest).tick, HELD)

    def _begin(self, tick: Tick) -> None:
        """Begin with a tick, or say what becomes of one that can't be run here."""
        run: Run
        job = self._registry[tick.agent_id].jobs.get(tick.job)
        known = {"agent": tick.agent_id, "job": tick.job, "scheduled_for": tick.scheduled_for.isoformat()}
        if tick.is_removed:
            run = TickClosing(tick, Reason.REMOVED)
            log.warning("tick_removed", **known)
        elif job is None:
            put_off(self._store, tick, UNSERVED)
            log.warning("tick_unknown", **known)
            return
        elif self._is_too_late(tick, job):
            run = TickClosing(tick, Reason.CATCH_UP)
            log.warning("tick_too_late", **known)
        else:
            run = TickRun(tick, job, self._conditions.get((tick.agent_id, tick.job)), self._cancel)
        self._runs[tick.agent_id, tick.job, known["scheduled_for"]] = run

    def _is_too_late(self, tick: Tick, job: Job) -> bool:
        """Whether nobody began with it for longer than its job catches up."""
        window = self._services.settings.job_catch_up if job.catch_up_window is None else job.catch_up_window
        waits = tick.kind in {TickKind.DUE, TickKind.CAUGHT_UP} and not tick.has_begun and not tick.is_inserted
        return waits and tick.age > max(window, AGAIN * 12)

    def _step(self, key: Key, run: Run) -> bool:
        """Give one tick a step. What goes wrong with it is its own affair."""
        try:
            done = run.step(self._store, lambda sessions: self._wake(run.tick.agent_id, sessions))
        except (StoreBusyError, LockNotAvailable):
            del self._runs[key]
            self._put_off(run.tick, HELD)
            return False
        except StoreAwayError:
            raise
        except Exception as error:
            if isinstance(error, psycopg.Error):
                self._store.close()
            log.exception("tick_failed", agent=run.tick.agent_id, job=run.tick.job)
            del self._runs[key]
            self._put_off(run.tick, AGAIN)
            return False
        if done is None:
            del self._runs[key]
        return bool(done)

    def _put_off(self, tick: Tick, seconds: float) -> None:
        """Leave a tick for a while; for `ticks.LEASE`, if its row can't be written now."""
        with suppress(StoreBusyError, LockNotAvailable):
            put_off(self._store, tick, seconds)

    def _wake(self, agent_id: str, sessions: Iterable[str]) -> None:
        self._services.wakes.wake(Wake.of(agent_id, session_id, "job") for session_id in sessions)

    def _leave(self) -> None:
        try:
            for run in self._runs.values():
                self._put_off(run.tick, 0.0)
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
