"""One stream's interest in a session: each event once, in order, first what was missed and then live."""

import threading
from collections.abc import Callable, Iterator

from pumice.logs import get_logger
from pumice.web.http.cursors import NEVER, Cursor, is_after
from pumice.web.http.event_log import EventLog, Page, UnusableCursorError

HELD_EVENTS, HELD_BYTES = 1_000, 1_000_000
"""What is held back while missed events are read; beyond that it is read from Redis as well, when its turn comes."""

Deliver = Callable[[str, bytes], None]
"""Takes an event's position and its JSON. Must not block: it is called by the thread that serves all streams."""

log = get_logger("pumice.delivery")


class GapError(Exception):
    """Events were lost between two pages: the stream has to end, so that its client learns of it by its cursor."""


class Watch:
    """A watch. Events are held back until `missed` has been read to its end.

    broken: what is called when `deliver` raised; the watch gets no more events.
    """

    def __init__(self, channel: str, events: EventLog, deliver: Deliver, broken: Callable[[], None]) -> None:
        self.channel = channel
        self.cursor = NEVER
        self._events = events
        self._deliver = deliver
        self._broken = broken
        self._held: list[tuple[str, bytes]] | None = []
        self._size = 0
        self._read_more = False
        self._lock = threading.RLock()

    def push(self, event_id: str, event: bytes) -> bool:
        """Take a live event. Returns false when the stream failed at it: it is to be forgotten."""
        try:
            with self._lock:
                if self._held is None:
                    self._hand_over(event_id, event)
                else:
                    self._hold_back(event_id, event)
        except Exception:
            log.exception("watch_failed", channel=self.channel)
            self._broken()
            return False
        return True

    def hold(self) -> bool:
        """Hold events back from now on: some may have been missed. Returns whether somebody has to read them."""
        with self._lock:
            idle = self._held is None
            if self._held is None:
                self._held, self._size = [], 0
            self._read_more = True
            return idle

    def missed(self, cursor: Cursor | None) -> Iterator[tuple[str, bytes]]:
        """What came after a cursor (None: nothing), as fast as it is taken; at its end the watch is live.

        Raises `UnusableCursorError` before the first, and the watch is live all the same; `GapError` after it.
        """
        if cursor is not None:
            try:
                page = self._first_page(cursor)
            except UnusableCursorError:
                self._go_live(even_so=True)
                raise
            self.cursor = page.at
            yield from page.events
            with self._lock:
                self._read_more = self._read_more or not page.complete
        while not self._go_live():
            yield from self._pages(strict=True)

    def catch_up(self) -> None:
        """Deliver what was missed while Redis was away, then go on live. Raises `UnusableCursorError` without Redis."""
        newest = self._events.open(self.channel)
        if newest == NEVER:
            raise UnusableCursorError
        if self.cursor == NEVER:
            self.cursor = newest
        try:
            while not self._go_live():
                for event_id, event in self._pages(strict=False):
                    self._deliver(event_id, event)
        except UnusableCursorError:
            self._read_more = True
            raise

    def _first_page(self, cursor: Cursor) -> Page:
        if cursor.position is None:
            raise UnusableCursorError
        return self._events.page(self.channel, cursor.position)

    def _pages(self, *, strict: bool) -> Iterator[tuple[str, bytes]]:
        complete = False
        while not complete:
            try:
                page = self._events.page(self.channel, self.cursor, strict=strict)
            except UnusableCursorError as error:
                if strict:
                    raise GapError from error
                raise
            self.cursor, complete = page.at, page.complete
            yield from page.events

    def _go_live(self, *, even_so: bool = False) -> bool:
        """Hand over what was held back and go live, unless there is more to read first."""
        with self._lock:
            if self._read_more and not even_so and self.cursor != NEVER:
                self._read_more = False
                self._held, self._size = [], 0
                return False
            held, self._held, self._read_more = self._held or [], None, False
            for event_id, event in held:
                self._hand_over(event_id, event)
            return True

    def _hand_over(self, event_id: str, event: bytes) -> None:
        if is_after(event_id, self.cursor):
            self.cursor = event_id
            self._deliver(event_id, event)

    def _hold_back(self, event_id: str, event: bytes) -> None:
        self._size += len(event)
        if self._held is not None and len(self._held) < HELD_EVENTS and self._size <= HELD_BYTES:
            self._held.append((event_id, event))
        else:
            self._held, self._size, self._read_more = [], 0, True
