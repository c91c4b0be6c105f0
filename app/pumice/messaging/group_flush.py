"""Group flush: what gathers while the last flush is under way goes into the next one, together."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from pumice.logs import get_logger

T = TypeVar("T")
log = get_logger("pumice.flush")


class GroupFlush(Generic[T]):
    """A queue that is flushed by one thread at a time: its own or, with `flush_here`, an idle caller's.

    Nothing urgent waits for a batch to fill: an idle queue is flushed at once.
    flush: called with up to `limit` items, in order; it must not raise. `linger`: seconds that items which are not
    urgent may wait for company, unless `limit` of them have gathered. `stop` flushes what is left.
    """

    def __init__(self, name: str, flush: Callable[[list[T]], None], limit: int = 1000, *, linger: float = 0.0) -> None:
        self._name = name
        self._flush = flush
        self._limit = limit
        self._linger = linger
        self._items: list[T] = []
        self._due = 0.0
        self._changed = threading.Condition()
        self._flushing = False
        self._stopping = False
        self._thread: threading.Thread | None = None

    def add(self, *items: T, urgent: bool = True) -> None:
        """Have these items flushed, at once or, when not urgent, within the linger time."""
        with self._changed:
            first = not self._items
            self._put(items, urgent=urgent)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            if not self._flushing and (first or urgent or len(self._items) >= self._limit):
                self._changed.notify_all()

    def flush_here(self, *items: T) -> None:
        """Flush these, after what is queued already, on the calling thread; on the other one if it is busy flushing.

        Spares two changes of thread where the caller is going to wait for the flush anyway.
        """
        with self._changed:
            self._put(items, urgent=True)
            batch = [] if self._flushing or self._stopping else self._cut()
        if batch:
            self._flush_safely(batch)
            with self._changed:
                self._flushing = False
                self._changed.notify_all()
        elif items and self._thread is None:
            self.add()

    def __len__(self) -> int:
        return len(self._items)

    def wait_idle(self, timeout: float) -> bool:
        """Wait until nothing is queued or being flushed. Returns whether that came within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._flushing and not self._items, timeout)

    def stop(self, timeout: float = 5.0) -> None:
        """Flush what is left and end the thread; give up after `timeout` seconds."""
        with self._changed:
            self._stopping = True
            thread = self._thread
            self._changed.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def _put(self, items: Iterable[T], *, urgent: bool) -> None:
        now = time.monotonic()
        if not self._items:
            self._due = now + self._linger
        if urgent:
            self._due = now
        self._items.extend(items)

    def _cut(self) -> list[T]:
        batch, self._items = self._items[: self._limit], self._items[self._limit :]
        self._flushing = bool(batch)
        return batch

    def _is_due(self) -> bool:
        if self._flushing:
            return False
        if self._stopping:
            return True
        return bool(self._items) and (len(self._items) >= self._limit or time.monotonic() >= self._due)

    def _take(self) -> list[T]:
        with self._changed:
            while not self._is_due():
                self._changed.wait(self._due - time.monotonic() if self._items and not self._flushing else None)
            return self._cut()

    def _run(self) -> None:
        while batch := self._take():
            self._flush_safely(batch)
            with self._changed:
                self._flushing = False
                self._changed.notify_all()

    def _flush_safely(self, batch: list[T]) -> None:
        try:
            self._flush(batch)
        except Exception:
            log.exception("flush_failed", queue=self._name, items=len(batch))
