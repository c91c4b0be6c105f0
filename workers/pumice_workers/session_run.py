"""What a worker process is running: one `SessionRun` per lease it holds."""

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from pumice.agents.spec import Handler
from pumice.agents.turn import LiveSession, Outcome, Work
from pumice.sessions.claim import ClaimedSession, Lease
from pumice.sessions.commit import SessionCommit


@dataclass(slots=True, eq=False)
class SessionRun:
    """One leased session being run. `lost`: the lease is gone, or a watcher took the session out of the run's hands."""

    claimed: ClaimedSession
    live: LiveSession
    woken: float
    lost: bool = False
    current: Work | None = None
    started: float = 0.0
    deadline: float = 0.0
    submitted: bool = False
    interrupted_by: str | None = None
    task: "asyncio.Task[None] | None" = None
    turn_task: "asyncio.Task[Outcome] | None" = None
    services: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def lease(self) -> Lease:
        """The lease."""
        return self.claimed.lease

    def begin(self, work: Work, handler: Handler | None, grace: float = 0.0) -> None:
        """Note that a turn starts now; `grace` seconds are added to its handler's limit."""
        self.started = time.monotonic()
        self.deadline = self.started + grace + (handler.policy.timeout if handler else 60)
        self.current = work

    def finish(self) -> bool:
        """Note that the turn is over. Returns whether its outcome still counts."""
        with self.lock:
            self.current = None
            return not self.lost

    def take_away(self, turn: Work | None = None) -> bool:
        """Take the session out of the run's hands, or only if that turn still runs.

        Returns false when that had happened before, or the turn was over.
        """
        with self.lock:
            if turn is not None and self.current is not turn:
                return False
            first, self.lost = not self.lost, True
            return first

    def part(self, outcome: Outcome, *, release: bool) -> SessionCommit:
        """The next outcome as it is committed: at the version to which the ones before it bring the session."""
        version, self.services = self.claimed.version + self.services, self.services + 1
        return SessionCommit(self.lease, version, release, [outcome], [self.ages()])

    def ages(self) -> tuple[float, float]:
        """Seconds since the wake and since the turn's start."""
        now = time.monotonic()
        return now - self.woken, now - self.started


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
