"""The rescue loop of a worker process: its presence, and each second, if elected, one pass of rescue."""

import os
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

import psycopg

from pumice.agents.states import FailureCode
from pumice.errors import StoreAwayError
from pumice.logs import Outage, get_logger
from pumice.messaging.events import Event, EventPublisher, Reply
from pumice.messaging.wakes import Wake, WakePublisher
from pumice.sessions.connections import StoreConnection
from pumice.sessions.finished import FinishedInteraction
from pumice.sessions.presence import bring_back, register, seen, take_back
from pumice.sessions.rescue import Blamed, Findings, rescue
from pumice.settings import Settings
from pumice_workers.quarantine_starter import QuarantineStarter
from pumice_workers.wake_runner import WakeRunner

INTERVAL = 1.0
BUDGET = 0.5
"""Seconds for which a pass goes on while it finds as much as it looks at."""
QUARANTINE_GRACE = 2.0
"""Seconds that a stop waits for the quarantine, which hands back what it runs."""

log = get_logger("pumice.rescue")


class RescueLoop:
    """A thread that keeps this worker's presence and rescues."""

    def __init__(
        self,
        settings: Settings,
        runner: WakeRunner,
        events: EventPublisher,
        wakes: WakePublisher,
        agents: Sequence[str],
    ) -> None:
        """`agents` are the ids of those that this process serves."""
        self._settings = settings
        self._agents = agents
        self._runner = runner
        self._events = events
        self._wakes = wakes
        self._store = StoreConnection(settings)
        self._registered_on: Any = None
        self.quarantine = QuarantineStarter(agents)
        self._away = Outage(log, "rescue_store")
        self._stop = threading.Event()
        self.ready = threading.Event()

    def start(self) -> None:
        """Start the thread. `ready` is set when the worker has its id."""
        threading.Thread(target=self._run, name="pumice-rescue", daemon=True).start()

    def stop(self) -> None:
        """End the thread and the presence."""
        self._stop.set()
        self.quarantine.stop(QUARANTINE_GRACE)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._be_present()
                self._pass()
                self.quarantine.look(self._store)
                self._away.ends()
            except StoreAwayError as error:
                self._away.begins(error=error)
            except psycopg.Error:
                log.exception("rescue_failed")
                self._store.close()
            self._stop.wait(INTERVAL)
        self._store.close()

    def _be_present(self) -> None:
        """Have a row and, unless connections are pooled, its advisory lock on this very connection.

        The row and its id survive a lost connection, so that the turns under way are not taken for a dead worker's.
        """
        same = self._store.connection is self._registered_on
        if same and seen(self._store, self._runner.worker_id, self._runner.looked_at):
            return
        holds_lock = not self._settings.database_pooled
        if holds_lock and self._runner.worker_id and not same:
            locked = take_back(self._store, self._runner.worker_id)
            if locked is not None:
                # Not locked: the server has not noticed yet that the old connection is gone.
                self._registered_on = self._store.connection if locked else None
                return
        name = f"{socket.gethostname()}:{os.getpid()}"
        release = self._settings.release
        worker_id = register(self._store, name, holds_lock=holds_lock, agents=self._agents, release=release)
        self._registered_on = self._store.connection
        self._runner.worker_id = worker_id
        self.ready.set()
        bring_back(self._store, self._agents)

    def _pass(self) -> None:
        until = time.monotonic() + BUDGET
        while (findings := rescue(self._store, crash_limit=self._settings.crash_limit)) is not None:
            self._tell(findings)
            if not findings.full or time.monotonic() > until:
                break

    def _tell(self, findings: Findings) -> None:
        self._wakes.wake(Wake.of(*wake) for wake in findings.wakes)
        for row in findings.dead:
            self._events.publish(*_death_notice(row))
        _log(findings)


def _death_notice(row: Blamed) -> list[Event | Reply]:
    message = "its worker was lost while it ran alone"
    error = {"code": FailureCode.WORKER_LOST, "type": "WorkerLost", "message": message}
    finished = FinishedInteraction(row.id, row.kind, row.status, error=error, reason=message)
    notice: list[Event | Reply] = [Event.of(row.agent_id, row.session_id, event) for event in finished.events()]
    return notice if row.reply_to is None else [*notice, Reply(row.reply_to, finished)]


def _log(findings: Findings) -> None:
    for row in findings.dead:
        known = {"agent": row.agent_id, "session": row.session_id, "interaction": row.id}
        log.error("dead", **known, attempts=row.attempts)
    if findings.wakes or findings.suspects:
        log.info("rescued", woken=len(findings.wakes), crashed=len(findings.suspects))
