"""What a worker process is running: one `SessionRun` per lease it holds."""

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from pumice.agents.live_session import LiveSession
from pumice.agents.spec import Handler
from pumice.agents.states import Kind
from pumice.agents.turn import Outcome, Work
from pumice.sessions.claim import ClaimedSession
from pumice.sessions.commit import SessionCommit
from pumice.sessions.leases import Lease
from pumice_workers.event_loop import EventLoop

DEFAULT_TIMEOUT = 60.0
"""Seconds for an interaction that the agent has no handler for."""
ANNOUNCE_AFTER = 0.1
"""Seconds after which a running turn is announced: shorter ones cost no statement."""


@dataclass(frozen=True, slots=True)
class _RunningTurn:
    work: Work
    deadline: float


class SessionRun:
    """One leased session being run: a small state machine, safe for threads.

    waiting -> running -> waiting -> … -> submitted: its thread or task starts each turn, ends it, and submits what it
    did; with the last one the lease goes back. From waiting or running it can be taken away: by the watcher, when the
    lease is gone or a turn is past its limit, or because it is handed to other workers. Then it is lost: whatever its
    turn still does no longer counts.
    """

    __slots__ = (
        "_announced", "_commits", "_interrupted_by", "_lock", "_lost", "_started", "_submitted", "_task", "_turn",
        "_turn_task", "_woken", "claimed", "live",
    )  # fmt: skip

    def __init__(self, claimed: ClaimedSession, live: LiveSession, woken: float, interrupted_by: str | None) -> None:
        """Begin. `woken`: when its wake was taken, by `time.monotonic`.

        interrupted_by: the newer chat that waits already.
        """
        self.claimed = claimed
        self.live = live
        self._woken = woken
        self._interrupted_by = interrupted_by
        self._turn: _RunningTurn | None = None
        self._announced: _RunningTurn | None = None
        self._started = 0.0
        self._lost = False
        self._submitted = False
        self._commits = 0
        self._task: asyncio.Task[None] | None = None
        self._turn_task: asyncio.Task[Outcome] | None = None
        self._lock = threading.Lock()

    @property
    def lease(self) -> Lease:
        """The lease."""
        return self.claimed.lease

    @property
    def key(self) -> tuple[str, str]:
        """The session, as `(agent_id, session_id)`."""
        return self.lease.agent_id, self.lease.session_id

    @property
    def is_lost(self) -> bool:
        """Whether the session was taken away from the run."""
        return self._lost

    @property
    def is_submitted(self) -> bool:
        """Whether the last turn was submitted: the lease goes back with its commit."""
        return self._submitted

    @property
    def interrupted_by(self) -> str | None:
        """The newer chat for which the running one is to end."""
        return self._interrupted_by

    def start(self, work: Work, handler: Handler | None, grace: float = 0.0) -> None:
        """Note that a turn starts now; `grace` seconds are added to its handler's limit."""
        now = time.monotonic()
        limit = grace + (handler.policy.timeout if handler else DEFAULT_TIMEOUT)
        self._started, self._turn = now, _RunningTurn(work, now + limit)

    def end(self) -> bool:
        """Note that the turn is over. Returns whether what it did still counts."""
        with self._lock:
            self._turn = None
            return not self._lost

    def is_running(self, work: Work) -> bool:
        """Whether this turn runs, and counts."""
        turn = self._turn
        return not self._lost and turn is not None and turn.work.id == work.id

    def overdue(self, now: float) -> Work | None:
        """The running turn, if it is past its limit at `now`."""
        turn = self._turn
        return turn.work if turn is not None and now > turn.deadline else None

    def to_announce(self, now: float) -> tuple[Lease, str] | None:
        """The running turn, once, when it has run for `ANNOUNCE_AFTER` seconds: its lease and interaction id."""
        turn = self._turn
        if turn is None or self._announced is turn or self._lost or now - self._started < ANNOUNCE_AFTER:
            return None
        self._announced = turn
        return self.lease, turn.work.id

    def take_away(self, work: Work | None = None) -> bool:
        """Take the session out of the run's hands, or only if that turn still runs.

        Returns false when that had happened before, or the turn was over.
        """
        with self._lock:
            if work is not None and (self._turn is None or self._turn.work is not work):
                return False
            first, self._lost = not self._lost, True
            return first

    def submit(self, outcome: Outcome, *, last: bool) -> SessionCommit:
        """What a turn did, to be committed at the version to which the turns before it bring the session."""
        version, self._commits = self.claimed.version + self._commits, self._commits + 1
        self._submitted = self._submitted or last
        now = time.monotonic()
        return SessionCommit(self.lease, version, last, [outcome], [(now - self._woken, now - self._started)])

    def run_as(self, task: "asyncio.Task[None] | None") -> None:
        """Note the task that runs the session on the event loop."""
        self._task = task

    def run_turn_as(self, task: "asyncio.Task[Outcome]") -> None:
        """Note the task of the running turn."""
        self._turn_task = task

    def cancel(self, loop: EventLoop) -> bool:
        """Cancel the run's task. Returns false when it runs on a thread, which nothing can end."""
        if self._task is None:
            return False
        loop.cancel(self._task)
        return True

    def interrupt(self, by: str, loop: EventLoop) -> None:
        """Have the running chat end for a newer one, whose interaction id is `by`.

        Orders may come late: by the ids, which are ordered by time, they are ignored.
        """
        work = self._turn.work if self._turn is not None else self.claimed.work[0]
        if self._submitted or work.kind != Kind.CHAT or by <= work.id:
            return
        self._interrupted_by = by
        if self._turn_task is not None:
            loop.cancel(self._turn_task)


class SessionRuns:
    """The runs of this process, by lease. Safe for threads."""

    def __init__(self) -> None:
        self._runs: dict[Lease, SessionRun] = {}
        self._changed = threading.Condition()

    def add(self, run: SessionRun) -> None:
        """Note a run."""
        with self._changed:
            self._runs[run.lease] = run

    def remove(self, run: SessionRun) -> None:
        """Forget a run."""
        with self._changed:
            self._runs.pop(run.lease, None)
            self._changed.notify_all()

    def __iter__(self) -> Iterator[SessionRun]:
        with self._changed:
            return iter(list(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    def wait_empty(self, timeout: float) -> bool:
        """Wait until nothing runs. Returns whether that came within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._runs, timeout)
