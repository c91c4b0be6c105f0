"""The watcher: one thread that renews leases, ends turns past their limit, and spreads wakes that take too long."""

import os
import threading
import time

from pumice.agents.failures import failure_of
from pumice.agents.turn import Outcome, Work
from pumice.errors import StoreAwayError
from pumice.logs import Outage, get_logger
from pumice.messaging.wakes import Wake
from pumice.sessions.connections import StoreConnection
from pumice.sessions.leases import announce_running, renew
from pumice_workers.committer import Finished
from pumice_workers.services import Services
from pumice_workers.session_run import SessionRun
from pumice_workers.wake_runner import WakeRunner

INTERVAL = 0.05

log = get_logger("pumice.watch")


class Watcher:
    """Watches a runner's runs."""

    def __init__(self, services: Services, runner: WakeRunner) -> None:
        self._services = services
        self._runner = runner
        self._store = StoreConnection(services.settings, durable=False)
        self._every = services.settings.lease_seconds / 3
        self._renewed = time.monotonic()
        self._away = Outage(log, "renewal")
        self._stop = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="pumice-watch", daemon=True).start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL):
            try:
                self._pass(time.monotonic())
            except Exception:
                log.exception("watch_failed")

    def _pass(self, now: float) -> None:
        for batch in list(self._runner.waiting):
            if batch.waiting and batch.is_slow(now):
                waiting = []
                while run := batch.take():
                    waiting.append(run)
                self._runner.hand_back(waiting)
        for run in self._runner.runs:
            if (work := run.overdue(now)) is not None:
                self._abandon(run, work)
        self._announce(now)
        if now - self._renewed > self._every:
            self._renewed = now
            self._renew()

    def _announce(self, now: float) -> None:
        """Say durably which turns run for longer than a moment. A lost announcement is no harm."""
        started = [found for run in self._runner.runs if (found := run.to_announce(now)) is not None]
        if not started:
            return
        try:
            announce_running(self._store, started)
        except StoreAwayError as error:
            self._away.begins(announcements=len(started), error=error)

    def _renew(self) -> None:
        runs = [run for run in self._runner.runs if not run.is_lost]
        if not runs:
            return
        try:
            held = renew(self._store, [run.lease for run in runs], self._services.settings.lease_seconds)
        except StoreAwayError as error:
            self._away.begins(leases=len(runs), error=error)
            return
        self._away.ends()
        for run in runs:
            if run.lease not in held and not run.is_submitted:
                self.lose(run)

    def lose(self, run: SessionRun) -> None:
        """Stop a run whose lease is gone, as far as it can be stopped."""
        if run.take_away():
            log.warning("lease_lost", agent=run.key[0], session=run.key[1])
        run.cancel(self._services.loop)

    def _abandon(self, run: SessionRun, work: Work) -> None:
        """Fail a turn that is past its limit, on its behalf; whatever it still does no longer counts."""
        if not run.take_away(work):
            return
        handler = run.live.spec.handler(work.kind, work.name)
        policy = handler.policy if handler else None
        failure = failure_of(TimeoutError(), policy, work.attempts + 1, timed_out=True, crashes=work.crashes)
        outcome = Outcome(work, failure.status, failure=failure)
        log.warning("turn_abandoned", agent=run.key[0], session=run.key[1], interaction=work.id)
        changes = run.submit(outcome, last=True)
        self._services.committer.add(Finished(changes, lambda _held: self._next(run, work.kind)), urgent=True)
        if not run.cancel(self._services.loop) and self._services.settings.worker_pool == "prefork":
            threading.Thread(target=self._end_process, name="pumice-end", daemon=True).start()

    def _next(self, run: SessionRun, kind: str) -> None:
        self._runner.runs.remove(run)
        self._services.wakes.wake([Wake.of(*run.key, kind)])

    def _end_process(self) -> None:
        """A stuck thread can't be ended, but a child of the prefork pool can: Celery starts another."""
        left = [run for run in self._runner.runs if not run.is_lost]
        self._runner.hand_back(left)
        self._services.committer.stop()
        self._services.events.stop()
        self._services.wakes.stop()
        os._exit(1)
