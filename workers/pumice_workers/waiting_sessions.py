"""A wake's sessions that wait for a thread, and when the rest of them had better go to other workers."""

import time
from collections import deque
from collections.abc import Sequence

from pumice_workers.session_run import SessionRun

BUDGET = 0.1
"""Seconds after which a wake of slow sessions hands those that have not started to other workers."""
SLOW_SESSION = 0.02
"""Seconds for a session that are slow."""


class WaitingSessions:
    """The sessions of one wake that wait for this thread. The watcher may take those that have not started."""

    def __init__(self, runs: Sequence[SessionRun]) -> None:
        self.started = time.monotonic()
        self.size = len(runs)
        self.waiting = deque(runs)

    def is_slow(self, now: float) -> bool:
        """Whether its sessions take so long that those which wait had better go to other workers.

        The mean is what counts: a wake of a hundred short turns may take long on a busy machine and is best left alone.
        """
        elapsed = now - self.started
        return elapsed > BUDGET and elapsed / (self.size - len(self.waiting) or 1) > SLOW_SESSION

    def take(self) -> SessionRun | None:
        """The next session, if there is one left."""
        try:
            return self.waiting.popleft()
        except IndexError:
            return None
