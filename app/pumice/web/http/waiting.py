"""Requests that wait for their interaction: told by the worker through Redis, or by looking in Postgres.

A reply normally arrives on this front's channel. What has not come after `LOOK_AFTER` seconds is looked for in
Postgres, ever less often; and at once, often, while Redis is away or when another front accepted the interaction.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, LiteralString

import orjson

from pumice.errors import StoreAwayError
from pumice.sessions.connections import StoreConnection
from pumice.settings import Settings

LOOK_AFTER = 1.0
LOOK_OFTEN = 0.05

FINISHED: LiteralString = """
select id::text as id, status, result::text as result, errors -> -1 as error, reason,
  superseded_by::text as superseded_by
from interactions where id = any(%(ids)s::uuid[]) and status <> 'queued'
"""
"""Which of these interactions are finished, and how."""


@dataclass(slots=True, eq=False)
class Waiter:
    """Somebody who waits for an interaction. `document` is set when it is finished.

    look_at: seconds of waiting after which it is looked for, doubled each time.
    """

    interaction_id: str
    since: float
    eager: bool = False
    look_at: float = LOOK_AFTER
    document: dict[str, Any] | None = None
    over: threading.Event = field(default_factory=threading.Event)
    on_over: Callable[["Waiter"], None] | None = None

    def finish(self, document: dict[str, Any]) -> None:
        """Tell the waiter."""
        self.document = document
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

    def deliver(self, documents: list[dict[str, Any]]) -> None:
        """Hand finished interactions to those who wait for them."""
        for document in documents:
            with self._changed:
                waiters = self._waiters.pop(document["id"], set())
            for waiter in waiters:
                waiter.finish(document)

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
            rows = self._store.fetch(FINISHED, {"ids": ids})
        except StoreAwayError:
            return
        self.deliver([finished_document(row) for row in rows])


def finished_document(row: Any) -> dict[str, Any]:
    """A finished interaction in the form in which workers send it."""
    return {
        "id": row.id,
        "status": row.status,
        "result": None if row.result is None else orjson.loads(row.result),
        "error": row.error,
        "reason": row.reason,
        "supersededBy": row.superseded_by,
    }
