"""One tick in the hands of a worker process: a step makes a page of interactions, wakes sessions and counts ends."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from psycopg.errors import LockNotAvailable

from pumice.agents.jobs import Job
from pumice.errors import StoreBusyError
from pumice.sessions.connections import StoreConnection
from pumice.sessions.drain import finish, keep
from pumice.sessions.fan_out import fan_out_page
from pumice.sessions.job_conditions import PageCondition
from pumice.sessions.staleness import refresh_stale
from pumice.sessions.ticks import LEASE, Tick, put_off
from pumice_workers.tick_window import OUTSTANDING, TickWindow, Wake

PAUSE = 0.1
"""Seconds between two looks at a tick whose runs are under way."""
LONGEST_PAUSE = 2.0
"""The same, once nothing has ended for a while."""
SHARE = 0.25
"""The share of its time that a tick may spend on being looked at."""
STALL = 10.0
"""Seconds after which a tick of which nothing moves is left, so that others have its place."""
AWAY = 5.0, 300.0
"""Seconds for which it is left, at least and at most: a quarter of its age."""
CANCELLING = 0.05
"""Seconds of a step that go to cancelling runs."""

Cancel = Callable[[str, str, str], None]
"""Cancels a run that may be running: agent, session, interaction."""


@dataclass(slots=True)
class TickRun:
    """A tick that this process has taken. to_cancel: earlier runs (interaction id, session id) that may be running."""

    tick: Tick
    job: Job
    condition: PageCondition | None
    cancel: Cancel
    is_inserted: bool = field(init=False)
    is_fresh: bool = False
    to_cancel: deque[tuple[str, str]] = field(default_factory=deque)
    next_look: float = 0.0
    pause: float = PAUSE
    taken: float = field(default_factory=time.monotonic)
    moved: float = field(default_factory=time.monotonic)
    window: TickWindow = field(init=False)

    def __post_init__(self) -> None:
        self.is_inserted = self.tick.is_inserted
        self.window = TickWindow(self.tick)

    def step(self, store: StoreConnection, wake: Wake) -> bool | None:
        """Bring the tick on. Returns whether there was something to do, and None when this process is through with it.

        Raises `StoreAwayError`; what was done is noted.
        """
        made = not self.is_inserted
        if made:
            self._insert(store)
            if self.window.started >= OUTSTANDING and not self.is_inserted:
                return True  # what is woken keeps the workers busy until all is made
        cancelled = self._cancel()
        if time.monotonic() < self.next_look:
            return made or cancelled
        if not self.window.resume(store) or not keep(store, self.tick, self.window.last):
            return None
        began = time.monotonic()
        ended = self.window.count(store)
        if not self.window.settle(store):
            return None
        may_read = self.is_inserted or not self.job.is_local
        read = may_read and self.window.read(store, wake, is_inserted=self.is_inserted)
        if self.window.is_read and not self.window.chunks and not self.to_cancel:
            finish(store, self.tick)
            return None
        moved = made or cancelled or read or ended
        if self._is_stalled(moved=moved):
            self._leave(store)
            return None
        self._rest(time.monotonic() - began, moved=moved)
        return made or read

    def _insert(self, store: StoreConnection) -> None:
        looks = self.condition is not None and self.condition.looks_at_state
        if looks and not self.tick.has_begun and not self.is_fresh:
            refresh_stale(store, self.tick.agent_id)
            self.is_fresh = True
        page = fan_out_page(store, self.tick, self.job, self.condition)
        self.is_inserted = page is None or page.is_last
        self.to_cancel.extend(page.running if page is not None else ())

    def _cancel(self) -> bool:
        """Cancel some of what is to be cancelled. Returns whether anything was. Raises `StoreAwayError`."""
        until = time.monotonic() + CANCELLING
        some = False
        while self.to_cancel and time.monotonic() < until:
            interaction_id, session_id = self.to_cancel[0]
            try:
                self.cancel(self.tick.agent_id, session_id, interaction_id)
            except (StoreBusyError, LockNotAvailable):
                self.to_cancel.rotate(-1)  # somebody holds the session for a moment
                break
            self.to_cancel.popleft()
            some = True
        return some

    def _is_stalled(self, *, moved: bool) -> bool:
        now = time.monotonic()
        if moved:
            self.moved = now
        return now - self.moved > STALL

    def _leave(self, store: StoreConnection) -> None:
        """Leave the tick to whoever comes later: its runs go on without it."""
        if self.window.is_read:
            self.window.shelve(store)
        age = self.tick.age + time.monotonic() - self.taken
        put_off(store, self.tick, min(max(age / 4, AWAY[0]), AWAY[1]))

    def _rest(self, cost: float, *, moved: bool) -> None:
        """Look again after a while: later if nothing ends, and so that looking takes only its share of the time."""
        self.pause = PAUSE if moved else min(self.pause * 1.5, LONGEST_PAUSE)
        self.next_look = time.monotonic() + min(max(self.pause, cost / SHARE), LEASE / 2)
