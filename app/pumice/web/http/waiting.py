"""Requests that wait for their interaction: told by the worker through Redis, or by looking in Postgres.

A reply normally arrives on this front's channel. What has not come after `LOOK_AFTER` seconds is looked for in
Postgres, ever less often; and at once, often, while Redis is away or when another front accepted the interaction.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pumice.errors import StoreAwayError
from pumice.sessions.connections import StoreConnection
from pumice.sessions.finished import FinishedInteraction, find_finished
from pumice.settings import Settings

LOOK_AFTER = 1.0
LOOK_OFTEN = 0.05


@dataclass(slots=True, eq=False)
class Waiter:
    """Somebody who waits for an interaction. `finished` is set when it is over.

    look_at: seconds of waiting after which it is looked for, doubled each time.
    """

    interaction_id: str
    since: float
    eager: bool = False
    look_at: float = LOOK_AFTER
    finished: FinishedInteraction | None = None
    over: threading.Event = field(default_factory=threading.Event)
    on_over: Callable[["Waiter"], None] | None = None

    def finish(self, finished: FinishedInteraction) -> None:
        """Tell the waiter."""
        self.finished = finished
        self.over.set()
        if self.on_over is not None:
            self.on_over(self)


class Waiters:
    """The waiters of this front process."""

    def __init__(self, settings: Settings, is_live: Callable[[], bool]) -> None:
        """`is_live`: whether replies arrive through Redis at the moment."""
        self._is_live = is_live
        self._was_live = False
        self._store = StoreConnection(settings)
        self._waiters: dict[str, set[Waiter]] = {}
        self._changed = threading.Condition()
        threading.Thread(target=self._look, name="pumice-replies", daemon=True).start()

    def expect(
        self, interaction_id: str, *, eager: bool = False, on_over: Callable[[Waiter], None] | None = None
    ) -> Waiter:
        """Begin to wait, best before the interaction is accepted. `eager`: no worker will tell this front."""
        waiter = Waiter(interaction_id, time.monotonic(), eager, on_over=on_over)
        with self._changed:
            first = not self._waiters
            self._waiters.setdefault(interaction_id, set()).add(waiter)
            if first or eager:
                self._changed.notify_all()
        return waiter

    def forget(self, waiter: Waiter) -> None:
        """Stop waiting."""
        with self._changed:
            known = self._waiters.get(waiter.interaction_id)
            if known is not None:
                known.discard(waiter)
                if not known:
                    del self._waiters[waiter.interaction_id]

    def deliver(self, finished: list[FinishedInteraction]) -> None:
        """Hand finished interactions to those who wait for them."""
        for one in finished:
            with self._changed:
                waiters = self._waiters.pop(one.id, set())
            for waiter in waiters:
                waiter.finish(one)

    def _overdue(self) -> list[str]:
        now, live = time.monotonic(), self._is_live()
        all_of_them, self._was_live = not (live and self._was_live), live  # also what came just before Redis was back
        overdue = []
        for interaction_id, waiters in self._waiters.items():
            late = [waiter for waiter in waiters if now - waiter.since > waiter.look_at]
            for waiter in late:
                waiter.look_at *= 2
            if late or all_of_them or any(waiter.eager for waiter in waiters):
                overdue.append(interaction_id)
        return overdue

    def _look(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiters)
                ids = self._overdue()
                often = not self._is_live() or any(one.eager for group in self._waiters.values() for one in group)
            if ids:
                self._ask(ids)
            time.sleep(LOOK_OFTEN if often else LOOK_AFTER / 2)

    def _ask(self, ids: list[str]) -> None:
        try:
            found = find_finished(self._store, ids)
        except StoreAwayError:
            return
        self.deliver(found)
