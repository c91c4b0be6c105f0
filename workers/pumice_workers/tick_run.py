"""One tick in the hands of a worker process: a step makes a page of interactions, wakes sessions and counts ends.

Runs are read in chunks, by session. Those of a chunk that wait are woken and looked at until they have ended; when all
of a chunk's have, and those of the chunks before it, its counts go to the tick's row. A process that takes the tick
over begins after them, and wakes again what still waits: a wake that finds nothing does no harm.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pumice.agents.jobs import Job
from pumice.sessions.connections import StoreConnection
from pumice.sessions.drain import CHUNK, advance, drained_until, ended_runs, finish, hand_over, keep, next_runs
from pumice.sessions.fan_out import fan_out_page
from pumice.sessions.job_conditions import PageCondition
from pumice.sessions.staleness import refresh_stale
from pumice.sessions.ticks import Tick

OUTSTANDING = 10_000
"""Runs of a tick that were woken and have not ended, at the most: what the broker and the workers hold of it."""
PATIENT = 10
"""How many of those that were handed to rescue count as one: what hangs must not keep the others from being woken."""
GRACE = 5.0
"""Seconds after which a run whose session was woken is handed to rescue: its wake may have been lost."""
MOST_READ = 20
"""Chunks that are read in one step."""
PAUSE = 0.1
"""Seconds between two looks at a tick whose runs are under way."""
LONGEST_PAUSE = 2.0
"""The same, once nothing has ended for a while."""
SHARE = 0.25
"""The share of its time that a tick may spend on being looked at."""

Cancel = Callable[[str, str, str], None]
"""Cancels a run that may be running: agent, session, interaction."""
Wake = Callable[[Iterable[str]], None]


@dataclass(slots=True)
class Chunk:
    """Runs of the sessions up to `last`: which have not ended, and how the others did. woken: by `time.monotonic`."""

    last: str
    pending: set[str]
    ended: Counter[str]
    woken: float
    is_handed_over: bool = False


@dataclass(slots=True)
class TickRun:
    """A tick that this process has taken. drained: up to which session its row counts; None before the first look."""

    tick: Tick
    job: Job
    condition: PageCondition | None
    cancel: Cancel
    is_inserted: bool = False
    is_read: bool = False
    started: int = 0
    drained: str | None = None
    chunks: deque[Chunk] = field(default_factory=deque)
    next_look: float = 0.0
    pause: float = PAUSE

    def __post_init__(self) -> None:
        self.is_inserted = self.tick.is_inserted

    def step(self, store: StoreConnection, wake: Wake) -> bool | None:
        """Bring the tick on. Returns whether there was something to do, and None when this process is through with it.

        Raises `StoreAwayError`; what was done is noted.
        """
        made = not self.is_inserted
        if made:
            self._insert(store)
            if self.started >= OUTSTANDING and not self.is_inserted:
                return True  # what is woken keeps the workers busy until all is made
        if time.monotonic() < self.next_look:
            return made
        if self.drained is None and (drained := drained_until(store, self.tick)) is not None:
            self.drained = drained
        if self.drained is None or not keep(store, self.tick, self.chunks[-1].last if self.chunks else ""):
            return None
        began = time.monotonic()
        ended = self._count(store)
        if not self._settle(store):
            return None
        read = self._read(store, wake)
        if self.is_read and not self.chunks:
            finish(store, self.tick)
            return None
        self._rest(time.monotonic() - began, moved=read or ended)
        return made or read

    def _insert(self, store: StoreConnection) -> None:
        if self.condition is not None and self.condition.looks_at_state and not self.tick.has_begun:
            refresh_stale(store, self.tick.agent_id)
        page = fan_out_page(store, self.tick, self.job, self.condition)
        self.is_inserted = page is None or page.is_last
        for interaction_id, session_id in page.running if page is not None else ():
            self.cancel(self.tick.agent_id, session_id, interaction_id)

    def _count(self, store: StoreConnection) -> bool:
        """Count what has ended, and hand to rescue what was woken long ago. Returns whether anything ended.

        Runs end in about the order in which their sessions were woken: behind a chunk that is not begun, none is looked
        for.
        """
        any_ended = False
        for chunk in self.chunks:
            if not chunk.pending:
                continue
            ended = ended_runs(store, self.tick, list(chunk.pending))
            chunk.pending.difference_update(run.session_id for run in ended)
            chunk.ended.update(run.outcome for run in ended)
            any_ended = any_ended or bool(ended)
            if chunk.is_handed_over:
                continue
            if chunk.pending and time.monotonic() - chunk.woken > GRACE:
                hand_over(store, self.tick, list(chunk.pending))
                chunk.is_handed_over = True
            elif not ended and len(chunk.pending) > CHUNK // 2:
                break
        return any_ended

    def _settle(self, store: StoreConnection) -> bool:
        """Write the counts of the first chunks that have ended. Returns false when another process did."""
        while self.chunks and not self.chunks[0].pending:
            chunk = self.chunks[0]
            if not advance(store, self.tick, self.drained or "", chunk.last, chunk.ended):
                return False
            self.drained = chunk.last
            self.chunks.popleft()
        return True

    def _read(self, store: StoreConnection, wake: Wake) -> bool:
        """Read more runs and wake their sessions, as far as there is room. Returns whether there were any."""
        read = 0
        while (
            read < MOST_READ
            and self._outstanding <= OUTSTANDING - CHUNK
            and (self.is_inserted or not self.job.is_local)
        ):
            runs = next_runs(store, self.tick, self.chunks[-1].last if self.chunks else self.drained or "")
            self.is_read = not runs and self.is_inserted
            if not runs:
                break
            wake([run.session_id for run in runs if run.is_due])
            self.started += len(runs)
            ended = Counter(run.outcome for run in runs if run.outcome is not None)
            pending = {run.session_id for run in runs if run.waits}
            self.chunks.append(Chunk(runs[-1].session_id, pending, ended, time.monotonic()))
            read += 1
            if not self.is_inserted:
                break
        return bool(read)

    @property
    def _outstanding(self) -> int:
        fresh = sum(len(chunk.pending) for chunk in self.chunks if not chunk.is_handed_over)
        return fresh + sum(len(chunk.pending) for chunk in self.chunks if chunk.is_handed_over) // PATIENT

    def _rest(self, cost: float, *, moved: bool) -> None:
        """Look again after a while: later if nothing ends, and so that looking takes only its share of the time."""
        self.pause = PAUSE if moved else min(self.pause * 1.5, LONGEST_PAUSE)
        self.next_look = time.monotonic() + max(self.pause, cost / SHARE)
