"""The frames of one interaction: `session`, `accepted`, then its events up to `done` or `error`."""

import time
from collections.abc import Iterator
from typing import Any

from pumice.agents.json_text import loads
from pumice.agents.states import Reason
from pumice.errors import Problem
from pumice.messaging.said import said_by
from pumice.web.http.cursors import END, MESSAGE, Cursor, of_interaction, own_id
from pumice.web.http.event_log import UnusableCursorError
from pumice.web.http.front import LATE
from pumice.web.http.waiting import Waiter
from pumice.web.http.watch import GapError
from pumice.web.streams.frames import PING, frame
from pumice.web.streams.opened import OpenStream
from pumice.web.streams.stream_end import ENDS


class InteractionStream:
    """A stream of one interaction. Its client knows the user's messages, which it sent itself."""

    def __init__(self, opened: OpenStream, waiter: Waiter, resumed: Cursor | None = None) -> None:
        self._opened = opened
        self._waiter = waiter
        self._resumed = resumed
        self._told = resumed.told if resumed is not None else ""
        self._newest = opened.watch.cursor
        self._sent = resumed.position if resumed is not None and resumed.position else self._newest
        self._own_frames = 0
        self._give_up: float | None = None

    def frames(self) -> Iterator[bytes]:
        """The stream, as bytes."""
        yield self._own({"type": "session", "sessionId": self._opened.session_id})
        if self._told == END:
            yield self._own({"type": "accepted", "interactionId": self._waiter.interaction_id})
            return
        accepted = False
        try:
            for found in self._missed():
                if not accepted:
                    yield self._own({"type": "accepted", "interactionId": self._waiter.interaction_id})
                    accepted = True
                if found is not None:
                    yield from self._event(*found)
                if self._told == END:
                    return
        except UnusableCursorError as error:
            self._sent = self._newest
            yield self._own({"type": "error", "error": error.document()})
            yield self._own({"type": "accepted", "interactionId": self._waiter.interaction_id})
        except GapError:
            self._opened.outbox.cut_off()
        yield from self._live()

    def _missed(self) -> Iterator[tuple[str, bytes] | None]:
        """What was missed, event by event; first None, once that is known to be there."""
        missed = self._opened.watch.missed(self._resumed)
        first = next(missed, None)
        yield None
        if first is not None:
            yield first
        yield from missed

    def _live(self) -> Iterator[bytes]:
        outbox = self._opened.outbox
        while self._told != END:
            found = outbox.next(self._patience())
            if outbox.problem is not None:
                yield self._cut(outbox.problem)
                return
            if found is not None:
                yield from self._event(*found)
            elif self._waiter.finished is None:
                yield PING
            else:
                yield from self._over()

    def _patience(self) -> float:
        if self._give_up is None:
            return self._opened.front.settings.ping_interval
        return max(self._give_up - time.monotonic(), 0)

    def _event(self, event_id: str, event: bytes) -> Iterator[bytes]:
        """A session event, if it is of this interaction."""
        if self._waiter.interaction_id.encode() not in event or said_by(event) is not None:
            return
        document = loads(event)
        if document.get("interactionId") != self._waiter.interaction_id:
            return
        if document["type"] == "error" and document["error"].get("reasonCode") == Reason.MERGED:
            yield self._follow(document["error"]["supersededBy"])
        elif document["type"] != "message" or not self._told:
            self._sent = event_id
            yield self._as_sent(event_id, document)

    def _over(self) -> Iterator[bytes]:
        """The interaction is finished: give its events a moment, then make them up."""
        finished = self._waiter.finished
        if finished is not None and finished.merged_into is not None:
            yield self._follow(finished.merged_into)
        elif self._give_up is None:
            self._give_up = time.monotonic() + LATE
        elif finished is not None and time.monotonic() >= self._give_up:
            for document in finished.events(has_message=self._told == MESSAGE):
                self._own_frames += 1
                yield self._as_sent(own_id(self._sent, self._own_frames), document)

    def _follow(self, newer: str) -> bytes:
        """Go on with the chat that took this one's messages over."""
        self._waiter = self._opened.expect(newer, eager=True)
        return self._own({"type": "accepted", "interactionId": newer})

    def _cut(self, problem: Problem) -> bytes:
        """The last frame of a stream that ends before its interaction does."""
        return self._own({"type": "error", "error": problem.document()})

    def _as_sent(self, event_id: str, document: dict[str, Any]) -> bytes:
        """A frame of the interaction, under an id that says how far it has been told."""
        self._told = END if document["type"] in ENDS else MESSAGE if document["type"] == "message" else self._told
        return frame(of_interaction(event_id, self._waiter.interaction_id, self._told), str(document["type"]), document)

    def _own(self, document: dict[str, Any]) -> bytes:
        """A frame of this stream only; its id resumes from what was sent before it."""
        self._own_frames += 1
        event_id = of_interaction(own_id(self._sent, self._own_frames), self._waiter.interaction_id, self._told)
        return frame(event_id, str(document["type"]), document)
