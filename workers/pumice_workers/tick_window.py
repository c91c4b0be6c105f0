"""What of a tick is under way: its runs in chunks, by session, from the first that is not counted to the last woken.

When all runs of the first chunk have ended, its counts go to the tick's row, and the chunk goes. A process that takes
the tick over begins after them, and wakes again what still waits: a wake that finds nothing does no harm.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pumice.sessions.connections import StoreConnection
from pumice.sessions.drain import CHUNK, Counted, advance, counted, ended_runs, hand_over, next_runs
from pumice.sessions.ticks import Tick

OUTSTANDING = 10_000
"""Runs of a tick that were woken and have not ended, at the most: what the broker and the workers hold of it."""
PATIENT = 10
"""How many of those that were handed to rescue count as one: what hangs must not keep the others from being woken."""
GRACE = 5.0
"""Seconds after which a run whose session was woken is handed to rescue: its wake may have been lost."""
MOST_READ = 20
"""Chunks that are read in one step."""
SHELVED = 1_000
"""Runs that a tick's row may name as those that its counts pass over, at the most."""

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
class TickWindow:
    """The chunks of a tick that are under way. counted: what its row counts; None before `resume`.

    started: how many runs were read here. is_read: nothing comes after the last chunk.
    """

    tick: Tick
    counted: Counted | None = None
    chunks: deque[Chunk] = field(default_factory=deque)
    started: int = 0
    is_read: bool = False

    @property
    def last(self) -> str:
        """The last session whose run was read."""
        if self.chunks:
            return self.chunks[-1].last
        return self.counted.drained if self.counted is not None else ""

    def resume(self, store: StoreConnection) -> bool:
        """Begin where the tick's row says. Returns false when the tick is closed. Raises `StoreAwayError`."""
        if self.counted is None:
            self.counted = counted(store, self.tick)
            if self.counted is not None and self.counted.waiting:
                pending = set(self.counted.waiting)
                self.chunks.append(Chunk(self.counted.drained, pending, Counter(), time.monotonic(), True))
        return self.counted is not None

    def count(self, store: StoreConnection) -> bool:
        """Count what has ended, and hand to rescue what was woken long ago. Returns whether anything ended.

        Runs end in about the order in which their sessions were woken: behind a chunk that is not begun, none is looked
        for. Raises `StoreAwayError`.
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

    def settle(self, store: StoreConnection) -> bool:
        """Write the counts of the first chunks that have ended. Returns false when another process did.

        Raises `StoreAwayError`.
        """
        while self.chunks and not self.chunks[0].pending:
            chunk = self.chunks[0]
            if not self._advance(store, Counted(chunk.last, []), chunk.ended):
                return False
            self.chunks.popleft()
        return True

    def shelve(self, store: StoreConnection) -> None:
        """Write all counts, and which runs they pass over, unless those are many. Raises `StoreAwayError`."""
        pending = sorted(set().union(*(chunk.pending for chunk in self.chunks)))
        if self.chunks and len(pending) <= SHELVED:
            self._advance(store, Counted(self.last, pending), sum((one.ended for one in self.chunks), Counter()))

    def read(self, store: StoreConnection, wake: Wake, *, is_inserted: bool) -> bool:
        """Read more runs and wake their sessions, as far as there is room. Returns whether there were any.

        is_inserted: all runs of the tick are made. Raises `StoreAwayError`.
        """
        read = 0
        while read < MOST_READ and self._outstanding <= OUTSTANDING - CHUNK:
            runs = next_runs(store, self.tick, self.last)
            self.is_read = not runs and is_inserted
            if not runs:
                break
            wake([run.session_id for run in runs if run.is_due])
            self.started += len(runs)
            ended = Counter(run.outcome for run in runs if run.outcome is not None)
            pending = {run.session_id for run in runs if run.waits}
            self.chunks.append(Chunk(runs[-1].session_id, pending, ended, time.monotonic()))
            read += 1
            if not is_inserted:
                break
        return bool(read)

    @property
    def _outstanding(self) -> int:
        fresh = sum(len(chunk.pending) for chunk in self.chunks if not chunk.is_handed_over)
        return fresh + sum(len(chunk.pending) for chunk in self.chunks if chunk.is_handed_over) // PATIENT

    def _advance(self, store: StoreConnection, after: Counted, counts: Counter[str]) -> bool:
        if self.counted is None or not advance(store, self.tick, self.counted, after, counts):
            return False
        self.counted = after
        return True
