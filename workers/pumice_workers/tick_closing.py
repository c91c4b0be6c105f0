"""A tick that is not run, or not to its end: a step skips a page of its runs, and says why."""

from dataclasses import dataclass

from pumice.agents.states import Reason
from pumice.sessions.connections import StoreConnection
from pumice.sessions.drain import counted
from pumice.sessions.ticks import Tick, close_tick, skip_page
from pumice_workers.tick_window import Wake


@dataclass(slots=True)
class TickClosing:
    """A tick that this process closes. drained: up to which session its row counts; None before the first step."""

    tick: Tick
    reason: Reason
    drained: str | None = None

    def step(self, store: StoreConnection, _wake: Wake) -> bool | None:
        """Skip a page of runs. Returns true, and None when the tick is closed. Raises `StoreAwayError`.

        A session that is in a worker's hands keeps its run: the worker finds that it can't run it, or ends it.
        """
        if self.drained is None:
            found = counted(store, self.tick)
            if found is None:
                return None
            self.drained = found.drained
        last = skip_page(store, self.tick, self.drained, self.reason)
        if last is None:
            close_tick(store, self.tick, self.reason)
            return None
        self.drained = last
        return True
