"""How an interaction ends for those who watch it: by its events or, when they don't come, made up from its reply.

Events come through Redis. With Redis away, or for a repeated request whose events are long gone, there is still the
finished interaction in Postgres, for which `Waiters` looks.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pumice.agents.json_text import loads
from pumice.messaging.said import said_by
from pumice.web.http.later import Later
from pumice.web.http.waiting import Waiter, Waiters
from pumice.web.http.watch import Deliver

ENDS = ("done", "error")
REMEMBERED = 100
"""How many stream_ends that were made up are remembered, to drop the events themselves when Redis brings them later."""
TOLD = tuple(b'{"type":"%s"' % kind for kind in (b"message", b"done", b"error"))
"""How the events that tell of an ending begin; see `Event.encode`."""


@dataclass(slots=True)
class _Expected:
    waiter: Waiter
    has_message: bool = False


class StreamEnds:
    """The interactions of one socket that have not ended for it yet."""

    def __init__(
        self, replies: Waiters, late: Later, deliver: Deliver, make_up: Callable[[dict[str, Any]], None]
    ) -> None:
        """`deliver` takes session events, `make_up` what is made up in their place; neither blocks."""
        self._replies = replies
        self._late = late
        self._deliver = deliver
        self._make_up = make_up
        self._open: dict[str, _Expected] = {}
        self._made_up: deque[str] = deque(maxlen=REMEMBERED)
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._open)

    def expect(self, interaction_id: str) -> None:
        """See to it that this interaction's ending is delivered."""
        with self._lock:
            self._open[interaction_id] = _Expected(self._replies.expect(interaction_id, on_over=self._over))

    def forget(self, interaction_id: str) -> None:
        """Expect its ending no more: it was not accepted."""
        self._forget(interaction_id)

    def take(self, event_id: str, event: bytes) -> None:
        """Deliver a session event, unless it was made up before, or tells this socket what it said itself."""
        if (self._open or self._made_up) and event.startswith(TOLD) and not self._note(event):
            return
        self._deliver(event_id, event)

    def close(self) -> None:
        """Expect nothing any more."""
        for interaction_id in list(self._open):
            self._forget(interaction_id)

    def _note(self, event: bytes) -> bool:
        if (said := said_by(event)) is not None:
            return said not in self._open and said not in self._made_up
        document = loads(event)
        interaction_id = document.get("interactionId", "")
        if interaction_id in self._made_up:
            return False
        if document["type"] in ENDS:
            self._forget(interaction_id)
        elif expected := self._open.get(interaction_id):
            expected.has_message = True
        return True

    def _forget(self, interaction_id: str) -> _Expected | None:
        with self._lock:
            expected = self._open.pop(interaction_id, None)
        if expected is not None:
            self._replies.forget(expected.waiter)
        return expected

    def _over(self, waiter: Waiter) -> None:
        self._late.call(lambda: self._finish(waiter))

    def _finish(self, waiter: Waiter) -> None:
        expected = self._forget(waiter.interaction_id)
        if expected is None or waiter.finished is None:
            return
        self._made_up.append(waiter.interaction_id)
        for frame in waiter.finished.events(has_message=expected.has_message):
            self._make_up(frame)
