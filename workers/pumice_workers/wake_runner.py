"""The runner: from a wake to committed turns. Knows no Celery.

A wake's sessions are claimed together. Sessions whose turns need the event loop are handed to it and run there side by
side; the others run here, one after the other. What is finished goes to the committer; when all of it is committed,
sessions that had more work than one claim takes, or more than their share of time, queue again; the others are looked
at once more (`recheck`): wakes for what arrived meanwhile found them leased.
"""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import psycopg

from pumice.agents.releases import STABLE
from pumice.agents.turn import Outcome, Work
from pumice.errors import StoreAwayError, StoreBusyError
from pumice.logs import Outage, get_logger
from pumice.messaging.handed_chats import HandedChats, handed_over
from pumice.messaging.wakes import QUEUE_OF_KIND, Wake, queue_of
from pumice.sessions.accept import WAKE_GRACE, accept_rows
from pumice.sessions.chat_claim import take_chat
from pumice.sessions.claim import TRUSTED, ClaimedSession, Wanted, claim
from pumice.sessions.connections import StoreConnection
from pumice.sessions.leases import announce, release, wake_soon
from pumice_workers.committer import Finished
from pumice_workers.scheduler import BUDGET, Scheduler
from pumice_workers.services import Services
from pumice_workers.session_run import SessionRun, SessionRuns
from pumice_workers.turn_runner import TurnRunner
from pumice_workers.waiting_sessions import WaitingSessions

TURNS_PER_CLAIM = 400
"""Interactions that one claim takes at the most, over all its sessions: what bounds a worker's memory."""
LEAST_TURNS = 4
COMMIT_WAIT = 90.0
LONG_BUDGET = 1.0
"""Seconds that a session has where there is no scheduler to say whether others wait: in a prefork pool's child."""
LOOP_GRACE = 5.0
"""Seconds past its limit that an async turn has to end by itself before it is abandoned."""

log = get_logger("pumice.turns")


class WakeRunner:
    """Runs wakes, on the threads of the scheduler or, without one, on the caller's."""

    @property
    def looked_at(self) -> datetime | None:
        """When this process last looked at the canaries, by Postgres's clock."""
        return self._services.releases.looked_at

    def __init__(self, services: Services) -> None:
        self._services = services
        self._turns = TurnRunner(services)
        self._tokens = itertools.count(1)
        self._store_away = Outage(log, "postgres")
        self.worker_id = 0
        self.group = TRUSTED
        self.stopping = False
        self.scheduler: Scheduler | None = None
        self.runs = SessionRuns()
        self.waiting: set[WaitingSessions] = set()
        self.handed = HandedChats()

    def run_wake(self, queue: str, keys: Sequence[Sequence[str]]) -> None:
        """Run what is due in these sessions, given as `(agent_id, session_id)`. One with more to do queues again.

        Failures are logged: rescue retries.
        """
        known = self._services.registry
        limit = max(TURNS_PER_CLAIM // (len(keys) or 1), LEAST_TURNS)
        mine = keys if self.group != TRUSTED else self._of_this_release(queue, keys)
        wanted = [self._wanted(agent_id, session_id, limit) for agent_id, session_id in mine if agent_id in known]
        if not wanted:
            return
        if self.stopping:
            self.leave_to_others([(one.agent_id, one.session_id) for one in wanted])
            return
        try:
            self._run_once(queue, wanted)
        except StoreAwayError as error:
            self._store_away.begins(error=error, meanwhile="rescue wakes the sessions again")

    def _of_this_release(self, queue: str, keys: Sequence[Sequence[str]]) -> Sequence[Sequence[str]]:
        """The sessions that this release runs. Those of a canary are passed on to its workers.

        A canary's worker leaves what is not its own any more to rescue, so that two that see different shares for a
        moment do not pass a session to and fro.
        """
        releases = self._services.releases
        others = [(key, release) for key in keys if (release := releases.of(key[0], key[1])) != releases.own]
        if not others:
            return keys
        if releases.own == STABLE:
            for key, release in others:
                chats = self.handed.take([key])
                if not all(self._services.wakes.send(handed_over(chat, release)) for chat in chats) or not chats:
                    self._services.wakes.wake([Wake(queue_of(queue, release), key[0], key[1])])
        else:
            self.leave_to_others([(key[0], key[1]) for key, _ in others])
        elsewhere = {(key[0], key[1]) for key, _ in others}
        return [key for key in keys if (key[0], key[1]) not in elsewhere]

    def _wanted(self, agent_id: str, session_id: str, limit: int) -> Wanted:
        one_by_one = self._services.registry[agent_id].cls.on_busy != "queue"
        return Wanted(agent_id, session_id, 1 if one_by_one else limit)

    def _run_once(self, queue: str, wanted: Sequence[Wanted]) -> None:
        """Claim and run. Sessions that have more to do queue again; the others are looked at once more."""
        on_loop, here = self._claim(wanted)
        for run in on_loop:
            self._services.loop.spawn(self._run_async(run, queue))
        if not here:
            return
        batch = WaitingSessions(here)
        started = self._run_here(batch, here)
        if self.scheduler is not None and started:
            self.scheduler.measured(here[0].key[0], len(started), time.monotonic() - batch.started)
        self._services.committer.flush()
        held = [run for run, done in started if done.wait(COMMIT_WAIT) and not run.is_lost]
        limits = {(one.agent_id, one.session_id): one.limit for one in wanted}
        more = [run.key for run in held if run.gives_way or len(run.claimed.work) >= limits[run.key]]
        self._queue_again(queue, more)
        self._services.recheck.add(run.key for run in held if run.key not in more)

    def _run_here(self, batch: WaitingSessions, runs: Sequence[SessionRun]) -> list[tuple[SessionRun, threading.Event]]:
        """Run sessions on this thread. Returns those that ran, each with the event that says that it is settled.

        Whatever leaves this method, it leaves no lease behind that nobody drives.
        """
        self.waiting.add(batch)
        started = []
        try:
            while run := batch.take():
                started.append((run, self._run_sync(run, batch)))
        except BaseException:
            self.hand_back([run for run in runs if not run.is_submitted])
            raise
        finally:
            self.waiting.discard(batch)
        return started

    def _queue_again(self, queue: str, keys: Sequence[tuple[str, str]]) -> None:
        """Have sessions run again after what waits already."""
        if not keys:
            return
        if self.stopping:
            self.leave_to_others(keys)
        elif self.scheduler is not None:
            self.scheduler.put(queue, keys)
        else:
            self._services.wakes.wake(Wake(queue, *key) for key in keys)

    def _gives_way(self, run: SessionRun, outcome: Outcome) -> bool:
        """Whether a session has had its share and others wait. Its lease then goes back, and it queues again.

        So it does when its turn may have cancelled what waits in it: that is not run.
        """
        if outcome.unschedules:
            return True
        if self.scheduler is None:
            return run.age > LONG_BUDGET
        return run.age > BUDGET and self.scheduler.is_contended

    def _claim(self, wanted: Sequence[Wanted]) -> tuple[list[SessionRun], list[SessionRun]]:
        """Claim the sessions. Returns the runs for the event loop and those for this thread."""
        token = (self.worker_id << 32) | next(self._tokens)
        lease_seconds = self._services.settings.lease_seconds
        with self._services.connections.borrow() as store:
            claimed = self._accept_and_claim(
                store, wanted, token=token, worker_id=self.worker_id, lease_seconds=lease_seconds
            )
        self._store_away.ends()
        now = time.monotonic()
        on_loop: list[SessionRun] = []
        here: list[SessionRun] = []
        if idle := [one.lease for one in claimed if not one.work]:
            with self._services.connections.borrow() as store:
                release(store, idle)
            self._services.recheck.add((one.agent_id, one.session_id) for one in idle)
        for one in claimed:
            if not one.work:
                continue
            live = self._turns.live(one)
            interrupts = live.spec.cls.on_busy == "interrupt"
            keep = self._services.settings.history_points if (own := live.spec.cls.history_points) is None else own
            run = SessionRun(one, live, now, one.newer_chat if interrupts else None, keep=keep)
            is_async = _needs_loop(run)
            self.runs.add(run, on_loop=is_async)
            (on_loop if is_async else here).append(run)
        return on_loop, here

    def _accept_and_claim(self, store: StoreConnection, wanted: Sequence[Wanted], **lease: Any) -> list[ClaimedSession]:
        """Claim sessions, and accept what fronts handed over for them before that, in the same transaction."""
        chats = self.handed.take((one.agent_id, one.session_id) for one in wanted)
        if chats:
            ttl = self._services.settings.temporary_ttl
            rows = accept_rows(chats, ttl, WAKE_GRACE)
            try:
                if len(wanted) == len(chats) == 1 and (taken := take_chat(store, chats[0], **lease, temporary_ttl=ttl)):
                    return [taken]
                return claim(store, wanted, **lease, group=self.group, accepting=rows)
            except (psycopg.Error, StoreBusyError) as error:
                log.warning("not_accepted", chats=len(chats), error=error, meanwhile="fronts accept them themselves")
        return claim(store, wanted, **lease, group=self.group)

    def _run_sync(self, run: SessionRun, batch: WaitingSessions) -> threading.Event:
        """Run a session's turns on this thread. Returns the event that says they are committed or lost."""
        over = threading.Event()

        def settle(held: bool) -> None:
            self._settle(run, held)
            over.set()

        work = run.claimed.work
        for place, one in enumerate(work):
            if run.is_lost or not self._may_start(run, one):
                break
            run.slot = self.scheduler.touch() if self.scheduler is not None else None
            run.start(one, run.live.spec.handler(one.kind, one.name, one.payload))
            outcome = self._turns.on_thread(run, one)
            if not run.end():
                break
            run.gives_way = place < len(work) - 1 and self._gives_way(run, outcome)
            last = run.gives_way or place == len(work) - 1
            if self._submit(run, outcome, settle, last=last, flushes=last and not batch.waiting):
                return over
        settle(False)
        return over

    async def _run_async(self, run: SessionRun, queue: str) -> None:
        """Run a session's turns on the event loop, wait for their commit, and look once more."""
        loop = asyncio.get_running_loop()
        committed: asyncio.Future[bool] = loop.create_future()

        def settle(held: bool) -> None:
            self._settle(run, held)
            if not loop.is_closed():
                loop.call_soon_threadsafe(_answer, committed, held)

        run.run_as(asyncio.current_task())
        work = run.claimed.work
        try:
            for place, one in enumerate(work):
                probation = run.claimed.probation
                if run.is_lost or (probation and not await asyncio.to_thread(self._may_start, run, one)):
                    break
                run.start(one, run.live.spec.handler(one.kind, one.name, one.payload), LOOP_GRACE)
                outcome = await self._turns.on_loop(run, one)
                run.gives_way = place < len(work) - 1 and self._gives_way(run, outcome)
                last = run.gives_way or place == len(work) - 1
                if not run.end() or self._submit(run, outcome, settle, last=last):
                    break
            if not run.is_lost and await committed and not self.stopping:
                if run.gives_way:
                    self._queue_again(queue, [run.key])
                else:
                    self._services.recheck.add([run.key])
        finally:
            if not run.is_submitted:
                self._services.loop.spawn_in_thread(self.hand_back, [run])

    def _settle(self, run: SessionRun, held: bool) -> None:
        if not held:
            run.take_away()
        self.forget(run)

    def forget(self, run: SessionRun) -> None:
        """Note that a run is over."""
        if self.runs.remove(run) and self.scheduler is not None:
            self.scheduler.freed()

    def _may_start(self, run: SessionRun, work: Work) -> bool:
        """Announce a suspect's turn, so that a crash can be laid at its door. Returns false when the lease is lost."""
        if not run.claimed.probation:
            return True
        try:
            with self._services.connections.borrow() as store:
                return announce(store, run.lease, work.id)
        except StoreAwayError as error:
            log.warning("not_announced", session=run.lease.session_id, error=error)
            self.hand_back([run])
            return False

    def _submit(
        self, run: SessionRun, outcome: Outcome, settle: Callable[[bool], None], *, last: bool, flushes: bool = False
    ) -> bool:
        """Give an outcome to the committer. Returns whether it was the last: the lease goes back with it.

        flushes: the caller has it committed itself, at once.
        """
        failure = outcome.failure
        last = last or (outcome.status == "retry" and failure is not None and failure.blocking)
        changes = run.submit(outcome, last=last)
        awaited = outcome.work.reply_to is not None or outcome.work.kind in {"chat", "socket"}
        self._services.committer.add(Finished(changes, settle if last else _ignore), urgent=awaited and not flushes)
        return last

    def hand_back(self, runs: Sequence[SessionRun]) -> None:
        """Give leases back without a turn and wake their sessions again, for other workers."""
        mine = [run for run in runs if run.take_away()]
        for run in runs:
            self.forget(run)
        if not mine:
            return
        try:
            with self._services.connections.borrow() as store:
                release(store, [run.lease for run in mine])
        except StoreAwayError as error:
            log.warning("hand_back_failed", sessions=len(mine), error=error)
        keys = [run.key for run in mine]
        if self.stopping:
            self.leave_to_others(keys)
        else:
            self._services.wakes.spread(keys, QUEUE_OF_KIND[mine[0].claimed.work[0].kind])

    def leave_to_others(self, keys: Sequence[tuple[str, str]]) -> None:
        """Have rescue wake sessions that this process, which is stopping, does not run: it could take its own wakes."""
        try:
            with self._services.connections.borrow() as store:
                wake_soon(store, keys)
        except StoreAwayError as error:
            self._store_away.begins(error=error, meanwhile="rescue wakes the sessions again")


def _needs_loop(run: SessionRun) -> bool:
    spec = run.live.spec
    handlers = (spec.handler(work.kind, work.name, work.payload) for work in run.claimed.work)
    return any(handler is not None and spec.needs_loop(handler) for handler in handlers)


def _answer(future: "asyncio.Future[bool]", held: bool) -> None:
    if not future.done():
        future.set_result(held)


def _ignore(_held: bool) -> None:
    """Do nothing: nobody waits for these changes."""
