"""The watcher: one thread that renews leases, ends turns past their limit, and spreads wakes that take too long."""

import os
import sys
import threading
import time
from collections import Counter

from pumice.agents.failures import failure_of
from pumice.agents.turn import Outcome, Work
from pumice.errors import StoreAwayError
from pumice.logs import Outage, get_logger
from pumice.messaging.wakes import Wake
from pumice.sessions.claim import TRUSTED
from pumice.sessions.connections import StoreConnection
from pumice.sessions.counters import add_counts
from pumice.sessions.leases import announce_running, renew
from pumice_workers.committer import Finished
from pumice_workers.loop_watch import LoopWatch
from pumice_workers.services import Services
from pumice_workers.session_run import SessionRun
from pumice_workers.wake_runner import WakeRunner

INTERVAL = 0.05
COUNT_EVERY = 1.0
"""Seconds between two times that counters are saved."""

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
        self._starting_anew = False
        self._loop_watch = LoopWatch(services.loop, runner, services.wakes, services.settings.lease_seconds)
        self._counts: Counter[str] = Counter()
        self._counted = 0.0

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
        if (scheduler := self._runner.scheduler) is not None:
            scheduler.look(now)
            if scheduler.lost > scheduler.limit // 2:
                self._start_anew(f"{scheduler.lost} threads are lost in handlers that never return")
        self._loop_watch.look(now, self._count, self._start_anew)
        for run in self._runner.runs:
            run.show_if_slow(now)
            if (work := run.overdue(now)) is not None:
                self._abandon(run, work)
        self._announce(now)
        if now - self._renewed > self._every:
            self._renewed = now
            self._renew()
        if self._counts and now - self._counted > COUNT_EVERY:
            self._counted = now
            self._save_counts()

    def _count(self, name: str) -> None:
        self._counts[name] += 1

    def _save_counts(self) -> None:
        counts, self._counts = self._counts, Counter()
        try:
            add_counts(self._store, counts)
        except StoreAwayError:
            self._counts.update(counts)

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
        now = time.monotonic()
        runs = [run for run in self._runner.runs if not run.is_lost and run.is_driven(now)]
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
        handler = run.live.spec.handler(work.kind, work.name, work.payload)
        policy = handler.policy if handler else None
        failure = failure_of(TimeoutError(), policy, work.attempts + 1, timed_out=True, crashes=work.crashes)
        outcome = Outcome(work, failure.status, failure=failure)
        log.warning("turn_abandoned", agent=run.key[0], session=run.key[1], interaction=work.id)
        changes = run.submit(outcome, last=True)
        self._services.committer.add(Finished(changes, lambda _held: self._next(run, work.kind)), urgent=True)
        if run.cancel(self._services.loop):
            return
        if self._runner.scheduler is not None and run.slot is not None:
            self._runner.scheduler.lose(run.slot)
            self._count("threads_lost")
        elif self._services.settings.worker_pool == "prefork" and self._runner.group == TRUSTED:
            threading.Thread(target=self._end_process, name="pumice-end", daemon=True).start()

    def _next(self, run: SessionRun, kind: str) -> None:
        self._runner.forget(run)
        self._services.wakes.wake([Wake.of(*run.key, kind)])

    def _start_anew(self, reason: str) -> None:
        """Run this program again in this very process: what is lost in it can't be got back otherwise."""
        if not self._starting_anew:
            self._starting_anew = True
            log.error("worker_starts_anew", reason=reason)
            self._count("workers_anew")
            self._save_counts()
            threading.Thread(target=self._replace_process, name="pumice-anew", daemon=True).start()

    def _replace_process(self) -> None:
        self._runner.stopping = True
        self._let_go()
        if self._runner.group != TRUSTED:
            os._exit(0)  # a group's process is a fork; another goes on
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 (its own command line)

    def _end_process(self) -> None:
        """A stuck thread can't be ended, but a child of the prefork pool can: Celery starts another."""
        self._let_go()
        os._exit(1)

    def _let_go(self) -> None:
        """Hand everything back to other workers, and finish what was begun."""
        left = [run for run in self._runner.runs if not run.is_lost]
        self._runner.hand_back(left)
        self._services.committer.stop()
        self._services.events.stop()
        self._services.wakes.stop()
