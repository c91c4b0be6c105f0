"""Group flush: what gathers while the last flush is under way goes into the next one, together."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
log = logging.getLogger("pumice.batching")


class GroupFlush(Generic[T]):
    """A queue with one flusher thread. Nothing urgent waits for a batch to fill: an idle flusher starts at once.

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
        now = time.monotonic()
        with self._changed:
            if not self._items:
                self._due = now + self._linger
            if urgent:
                self._due = now
            self._items.extend(items)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            if not self._flushing:
                self._changed.notify_all()

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

    def _is_due(self) -> bool:
        if self._stopping:
            return True
        return bool(self._items) and (len(self._items) >= self._limit or time.monotonic() >= self._due)

    def _take(self) -> list[T]:
        with self._changed:
            self._flushing = False
            self._changed.notify_all()
            while not self._is_due():
                self._changed.wait(self._due - time.monotonic() if self._items else None)
            batch, self._items = self._items[: self._limit], self._items[self._limit :]
            self._flushing = bool(batch)
            return batch

    def _run(self) -> None:
        while batch := self._take():
            try:
                self._flush(batch)
            except Exception:
                log.exception("flush_failed queue=%s items=%d", self._name, len(batch))
