"""A session's events as they come, for a client that sends nothing: EventSource, a second tab, a reload."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from pumice.agents.json_text import loads
from pumice.messaging.said import said_by
from pumice.web.http.cursors import Cursor, own_id
from pumice.web.http.event_log import UnusableCursorError
from pumice.web.http.watch import GapError
from pumice.web.streams.frames import PING, frame
from pumice.web.streams.opened import OpenStream

REMEMBERED = 100
"""User messages that a stream remembers, to drop what a turn that is tried again says once more."""


class SaidOnce:
    """Lets what a user said through once."""

    def __init__(self) -> None:
        self._said: deque[int] = deque(maxlen=REMEMBERED)

    def lets_through(self, event: bytes) -> bool:
        """Whether this event is anything new."""
        if said_by(event) is None:
            return True
        known = hash(event)
        if known in self._said:
            return False
        self._said.append(known)
        return True


def session_frames(opened: OpenStream, cursor: Cursor | None) -> Iterator[bytes]:
    """The frames of a session's stream: `session`, what was missed after the cursor, then what comes, without end."""
    return _SessionStream(opened).frames(cursor)


class _SessionStream:
    def __init__(self, opened: OpenStream) -> None:
        self._opened = opened
        self._said = SaidOnce()
        self._sent = opened.watch.cursor
        self._own_frames = 0

    def frames(self, cursor: Cursor | None) -> Iterator[bytes]:
        newest, after = self._sent, cursor.position if cursor is not None else None
        self._sent = after or newest
        yield self._own({"type": "session", "sessionId": self._opened.session_id})
        try:
            yield from self._events(self._opened.watch.missed(cursor))
        except UnusableCursorError as error:
            self._sent = newest if self._sent == after else self._sent
            yield self._own({"type": "error", "error": error.document()})
        except GapError:
            self._opened.outbox.cut_off()
        yield from self._live()

    def _live(self) -> Iterator[bytes]:
        outbox = self._opened.outbox
        while outbox.problem is None:
            found = outbox.next(self._opened.front.settings.ping_interval)
            if found is not None:
                yield from self._events(iter((found,)))
            elif outbox.problem is None:
                yield PING
        yield self._own({"type": "error", "error": outbox.problem.document()})

    def _events(self, events: Iterator[tuple[str, bytes]]) -> Iterator[bytes]:
        for event_id, event in events:
            self._sent = event_id
            if self._said.lets_through(event):
                document = loads(event)
                yield frame(event_id, document["type"], document)

    def _own(self, document: dict[str, Any]) -> bytes:
        """A frame of this stream only; its id resumes from the session event sent before it."""
        self._own_frames += 1
        return frame(own_id(self._sent, self._own_frames), str(document["type"]), document)
