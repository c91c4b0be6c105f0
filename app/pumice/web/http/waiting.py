"""Requests that wait for their interaction: told by the worker through Redis, or by looking in Postgres.

A reply normally arrives on this front's channel. What has not come after `LOOK_AFTER` seconds is looked for in
Postgres, ever less often; and at once, often, while Redis is away or when another front accepted the interaction.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pumice.errors import StoreAwayError
from pumice.logs import get_logger
from pumice.sessions.connections import StoreConnection
from pumice.sessions.finished import FinishedInteraction, find_finished
from pumice.settings import Settings
from pumice.web.http.watchdog import Heart

LOOK_AFTER = 1.0
LOOK_OFTEN = 0.05
EAGERNESS = 0.25
"""By which part of the time that an eager waiter has waited its next look may be late."""
AT_ONCE = 500

log = get_logger("pumice.replies")


@dataclass(slots=True, eq=False)
class Waiter:
    """Somebody who waits for an interaction. `finished` is set when it is over.

    on_over: called then; it must not block.
    look_at: seconds of waiting after which it is looked for, doubled each time; for an eager one, a quarter more.
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

    def looks_at(self, now: float, *, anyway: bool) -> bool:
        """Whether it is time to look for its interaction; if it is, the next look comes later."""
        waited = now - self.since
        if self.eager and (anyway or waited >= self.look_at):
            self.look_at = max(waited * (1 + EAGERNESS), LOOK_OFTEN)
            return True
        if waited > self.look_at:
            self.look_at *= 2
            return True
        return anyway


class Waiters:
    """The waiters of this front process."""

    def __init__(self, settings: Settings, is_live: Callable[[], bool]) -> None:
        """`is_live`: whether replies arrive through Redis at the moment."""
        self._is_live = is_live
        self._was_live = False
        self.heart = Heart("replies")
        self._store = StoreConnection(settings)
        self._waiters: dict[str, set[Waiter]] = {}
        self._changed = threading.Condition()
        self.heart.thread = threading.Thread(target=self._look, name="pumice-replies", daemon=True)
        self.heart.thread.start()

    def expect(
        self, interaction_id: str, *, eager: bool = False, on_over: Callable[[Waiter], None] | None = None
    ) -> Waiter:
        """Begin to wait, best before the interaction is accepted. `eager`: no worker will tell this front."""
        waiter = Waiter(interaction_id, time.monotonic(), eager, 0.0 if eager else LOOK_AFTER, on_over=on_over)
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
                try:
                    waiter.finish(one)
                except Exception:  # the others are told all the same
                    log.exception("waiter_failed", interaction=one.id)

    def _overdue(self) -> list[str]:
        now, live = time.monotonic(), self._is_live()
        anyway, self._was_live = not (live and self._was_live), live  # also what came just before Redis was back
        overdue = []
        for interaction_id, waiters in self._waiters.items():
            due = [waiter for waiter in waiters if waiter.looks_at(now, anyway=anyway)]
            if due:
                overdue.append(interaction_id)
        return overdue

    def _look(self) -> None:
        while True:
            try:
                self._look_once()
            except Exception:
                log.exception("looking_for_replies_failed")
                time.sleep(LOOK_AFTER)

    def _look_once(self) -> None:
        with self._changed:
            self.heart.waits()
            if not self._changed.wait_for(lambda: self._waiters, LOOK_AFTER):
                return
            self.heart.works()
            ids = self._overdue()
            often = not self._is_live() or any(one.eager for group in self._waiters.values() for one in group)
        for begin in range(0, len(ids), AT_ONCE):
            self._ask(ids[begin : begin + AT_ONCE])
        self.heart.waits()
        time.sleep(LOOK_OFTEN if often else LOOK_AFTER / 2)

    def _ask(self, ids: list[str]) -> None:
        self.heart.waits()
        try:
            found = find_finished(self._store, ids)
        except StoreAwayError:
            return
        self.heart.works()
        self.deliver(found)
