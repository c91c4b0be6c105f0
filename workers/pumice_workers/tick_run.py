"""One tick in the hands of a worker process: a step makes a page of interactions, wakes sessions and counts ends."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from pumice.agents.jobs import Job
from pumice.sessions.connections import StoreConnection
from pumice.sessions.drain import CHUNK, GRACE, OUTSTANDING, Window, finish, hand_over, look, next_to_wake, note_woken
from pumice.sessions.fan_out import fan_out_page
from pumice.sessions.job_conditions import PageCondition
from pumice.sessions.staleness import refresh_stale
from pumice.sessions.ticks import Tick

PAUSE = 0.1
"""Seconds between two looks at a tick whose runs are under way."""
LONGEST_PAUSE = 2.0
"""The same, once nothing has ended for a while."""
SHARE = 0.1
"""The share of its time that a tick may spend on being looked at."""

Cancel = Callable[[str, str, str], None]
"""Cancels a run that may be running: agent, session, interaction."""


@dataclass(slots=True)
class TickRun:
    """A tick that this process has taken.

    woken: how far the sessions were woken, with the times by `time.monotonic`; what was woken before this process took
    the tick counts as woken then. started: how many this process has woken.
    """

    tick: Tick
    job: Job
    condition: PageCondition | None
    cancel: Cancel
    is_inserted: bool = False
    next_look: float = 0.0
    pause: float = PAUSE
    waiting: int = -1
    started: int = 0
    woken: deque[tuple[str, float]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.is_inserted = self.tick.is_inserted

    def step(self, store: StoreConnection, wake: Callable[[Iterable[str]], None]) -> bool | None:
        """Bring the tick on. Returns whether there was something to do, and None when this process is through with it.

        Raises `StoreAwayError`; what was done is noted.
        """
        busy = False
        if not self.is_inserted:
            self._insert(store)
            busy = True
            if self.started >= OUTSTANDING and not self.is_inserted:
                return busy  # what is woken keeps the workers busy until all is made
        if time.monotonic() < self.next_look:
            return busy
        began = time.monotonic()
        window = look(store, self.tick)
        if window is None:
            return None
        if self._drain(store, window, wake):
            return True
        if window.is_inserted and window.waiting == 0:
            finish(store, self.tick)
            return None
        self._rest(window, time.monotonic() - began)
        return busy

    def _insert(self, store: StoreConnection) -> None:
        if self.condition is not None and self.condition.looks_at_state and not self.tick.has_begun:
            refresh_stale(store, self.tick.agent_id)
        page = fan_out_page(store, self.tick, self.job, self.condition)
        self.is_inserted = page is None or page.is_last
        for interaction_id, session_id in page.running if page is not None else ():
            self.cancel(self.tick.agent_id, session_id, interaction_id)

    def _drain(self, store: StoreConnection, window: Window, wake: Callable[[Iterable[str]], None]) -> bool:
        """Wake more sessions, if there is room. Returns whether there may be more to wake at once."""
        if not self.woken and window.woken:
            self.woken.append((window.woken, time.monotonic()))
        self._give_up(store)
        if window.due > OUTSTANDING - CHUNK or (self.job.is_local and not window.is_inserted):
            return False
        sessions, last = next_to_wake(store, self.tick, window.woken)
        if last is None:
            return False
        wake(sessions)
        self.started += len(sessions)
        note_woken(store, self.tick, last)
        self.woken.append((last, time.monotonic()))
        return True

    def _give_up(self, store: StoreConnection) -> None:
        """Give to rescue what was woken long ago and has not ended."""
        old = None
        while self.woken and time.monotonic() - self.woken[0][1] > GRACE:
            old = self.woken.popleft()[0]
        if old is not None:
            hand_over(store, self.tick, old)
            if not self.woken:
                self.woken.append((old, time.monotonic()))

    def _rest(self, window: Window, cost: float) -> None:
        """Look again after a while: later if nothing ends, and so that looking takes only its share of the time."""
        self.pause = PAUSE if window.waiting != self.waiting else min(self.pause * 1.5, LONGEST_PAUSE)
        self.waiting = window.waiting
        self.next_look = time.monotonic() + max(self.pause, cost / SHARE)
