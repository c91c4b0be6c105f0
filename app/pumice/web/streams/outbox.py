"""What waits for the client of one stream (SSE). The subscriber fills it without blocking, the stream empties it."""

import threading
from collections import deque

from pumice.errors import Internal, Problem, SlowReader
from pumice.web.http.backlog import Backlog

Frame = tuple[str, bytes]


class Outbox:
    """An outbox. problem: why the stream is to end now, whatever its interaction does."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._frames: deque[Frame] = deque()
        self._changed = threading.Event()
        self.problem: Problem | None = None

    def put(self, event_id: str, event: bytes) -> None:
        """Add an event; never blocks."""
        if self.problem is None:
            self._frames.append((event_id, event))
            self._backlog.add(self, len(event))
            self._changed.set()

    def wake(self) -> None:
        """Have the stream look at what it waits for."""
        self._changed.set()

    def end(self, problem: Problem) -> None:
        """Have the stream end, with this problem. What waits is dropped."""
        self.problem = self.problem or problem
        self._frames.clear()
        self._backlog.forget(self)
        self._changed.set()

    def cut_off(self) -> None:
        """End the stream because its client is too slow."""
        self.end(SlowReader())

    def fail(self) -> None:
        """End the stream because an event could not be delivered to it."""
        self.end(Internal("The stream failed; resume it with Last-Event-ID."))

    def next(self, timeout: float) -> Frame | None:
        """The next event; None when there is none after that many seconds, or when there is something else to see."""
        if not self._frames:
            self._changed.wait(timeout)
        self._changed.clear()
        try:
            frame = self._frames.popleft()
        except IndexError:
            return None
        self._backlog.remove(self, len(frame[1]))
        if self._frames:
            self._changed.set()
        return frame

    def close(self) -> None:
        """Nobody reads any more."""
        self.end(Internal())
