"""What a worker process is running: one `SessionRun` per lease it holds."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from pumice.agents.boundary import TurnScope
from pumice.agents.handlers import Handler
from pumice.agents.live_session import LiveSession
from pumice.agents.states import RETRY, Kind
from pumice.agents.turn import Outcome, Work
from pumice.sessions.claim import ClaimedSession
from pumice.sessions.commit_rows import EndedTurn, SessionCommit
from pumice.sessions.effects import effects_of
from pumice.sessions.leases import Lease
from pumice.sessions.point_writer import PointWriter
from pumice_workers.event_loop import EventLoop
from pumice_workers.question import Question
from pumice_workers.scheduler import Slot

DEFAULT_TIMEOUT = 60.0
"""Seconds for an interaction that the agent has no handler for."""
SLOW = 0.2
"""Seconds of a turn after which the session's streams see what the user said, before there is any answer."""
ANNOUNCE_AFTER = 0.1
"""Seconds after which a running turn is announced: shorter ones cost no statement."""
UNSTARTED = 30.0
"""Seconds after its claim in which a run that is for the event loop gets its task."""


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
        "_announced", "_commits", "_interrupted_by", "_keep", "_lock", "_lost", "_points", "_question", "_scope",
        "_started", "_submitted", "_task", "_turn", "_turn_task", "_woken", "claimed", "gives_way", "live", "slot",
    )  # fmt: skip

    def __init__(
        self, claimed: ClaimedSession, live: LiveSession, woken: float, interrupted_by: str | None, *, keep: int = 0
    ) -> None:
        """Begin. `woken`: when its wake was taken, by `time.monotonic`.

        interrupted_by: the newer chat that waits already.
        keep: how many of the session's points are kept.
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
        self._keep = keep
        self._points = PointWriter(claimed, keeps=keep > 0)
        self._task: asyncio.Task[None] | None = None
        self._turn_task: asyncio.Task[Outcome] | None = None
        self._scope: TurnScope | None = None
        self._question: Question | None = None
        self._lock = threading.Lock()
        self.gives_way = False
        self.slot: Slot | None = None

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
    def age(self) -> float:
        """Seconds since it was claimed."""
        return time.monotonic() - self._woken

    def is_driven(self, now: float) -> bool:
        """Whether a thread or task is at it, or its commit is under way; only then is its lease worth renewing."""
        if self._submitted or now - self._woken < UNSTARTED:
            return True
        if self._task is not None:
            return not self._task.done()
        return self.slot is None or not self.slot.lost

    @property
    def interrupted_by(self) -> str | None:
        """The newer chat for which the running one is to end."""
        return self._interrupted_by

    def start(self, work: Work, handler: Handler | None, grace: float = 0.0) -> None:
        """Note that a turn starts now; `grace` seconds are added to its handler's limit."""
        now = time.monotonic()
        limit = grace + (handler.policy.timeout if handler else DEFAULT_TIMEOUT)
        self._started, self._turn = now, _RunningTurn(work, now + limit)

    def show_when_slow(self, question: Question) -> None:
        """Note what to show to the session's streams if the turn turns out to be slow."""
        self._question = question

    def show_if_slow(self, now: float) -> None:
        """Show what the user said, if the turn has been running for `SLOW` seconds at `now`."""
        question = self._question
        if question is not None and self._turn is not None and now - self._started > SLOW:
            question.show()

    def end(self) -> bool:
        """Note that the turn is over. Returns whether what it did still counts."""
        with self._lock:
            self._turn = self._question = None
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
            if self.live.turn is not None:
                self.live.turn.close()
            return first

    def submit(self, outcome: Outcome, *, last: bool) -> SessionCommit:
        """What a turn did, to be committed at the version to which the turns before it bring the session."""
        version, self._commits = self.claimed.version + self._commits, self._commits + 1
        self._submitted = self._submitted or last
        now = time.monotonic()
        point = None if outcome.status == RETRY else self._points.add(outcome)
        effects = effects_of(outcome)
        if self.claimed.quiet:
            outcome.calls, outcome.emitted = [], []
            outcome.schedules = []
        turn = EndedTurn(outcome, now - self._woken, now - self._started, point, effects)
        spec = self.live.spec
        return SessionCommit(self.lease, version, last, [turn], self._keep, spec.code_version, spec.cls.state_version)

    def run_as(self, task: "asyncio.Task[None] | None") -> None:
        """Note the task that runs the session on the event loop."""
        self._task = task

    def run_turn_as(self, task: "asyncio.Task[Outcome]", scope: TurnScope) -> None:
        """Note the task of the running turn, and the scope in which its handlers spawn others."""
        self._turn_task, self._scope = task, scope

    def owns(self, task: object) -> bool:
        """Whether this task runs the session, or was spawned by its handlers."""
        if task is self._task or task is self._turn_task:
            return True
        return self._scope is not None and self._scope.has(task)

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
        self._on_loop: dict[Lease, str] = {}
        self._by_agent: Counter[str] = Counter()

    def add(self, run: SessionRun, *, on_loop: bool = False) -> None:
        """Note a run, and whether it takes a place on the event loop."""
        with self._changed:
            self._runs[run.lease] = run
            if on_loop:
                self._on_loop[run.lease] = run.key[0]
                self._by_agent[run.key[0]] += 1

    def remove(self, run: SessionRun) -> bool:
        """Forget a run. Returns whether a place on the event loop is free now."""
        with self._changed:
            self._runs.pop(run.lease, None)
            agent_id = self._on_loop.pop(run.lease, None)
            if agent_id is not None:
                self._by_agent[agent_id] -= 1
            self._changed.notify_all()
            return agent_id is not None

    @property
    def on_loop(self) -> list[SessionRun]:
        """The runs that have a place on the loop, those that it has not begun included."""
        with self._changed:
            return [self._runs[lease] for lease in self._on_loop]

    @property
    def agents_on_loop(self) -> set[str]:
        """The agents that have runs there."""
        return set(self._on_loop.values())

    def room_on_loop(self, agent_id: str, limit: int) -> int:
        """How many more of an agent's sessions may take a place on the loop: as many as are free, less its own."""
        return limit - len(self._on_loop) - self._by_agent[agent_id]

    def __iter__(self) -> Iterator[SessionRun]:
        with self._changed:
            return iter(list(self._runs.values()))

    def __len__(self) -> int:
        return len(self._runs)

    def wait_empty(self, timeout: float) -> bool:
        """Wait until nothing runs. Returns whether that came within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._runs, timeout)
