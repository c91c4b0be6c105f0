"""Whether this front can deliver: its threads that hand on events and replies say what they are at, and one looks.

A thread that hands on waits for nobody. If it is dead, or at the same piece of work for seconds, it is stuck: then
`/readyz` is red, so that a balancer sends requests elsewhere, a log line says so, and a metric.
"""

import sys
import threading
import time
import traceback
from collections.abc import Sequence

from pumice.logs import get_logger

STUCK = 5.0
"""Seconds of one piece of work after which a thread counts as stuck."""
LOST = 60.0
"""Seconds without any sign of life after which it does, even if it waits for Redis or Postgres, which have limits."""
LOOK = 1.0

log = get_logger("pumice.delivery")


class Heart:
    """What one thread says of itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.thread: threading.Thread | None = None
        self._working: float | None = None
        self._seen = time.monotonic()

    def works(self) -> None:
        """The thread begins a piece of work."""
        self._working = self._seen = time.monotonic()

    def waits(self) -> None:
        """The thread waits for work, or for a server that has a limit of its own."""
        self._working, self._seen = None, time.monotonic()

    @property
    def stuck(self) -> str | None:
        """Why it counts as stuck; None if it does not."""
        now = time.monotonic()
        if self.thread is None or not self.thread.is_alive():
            return "its thread has ended"
        if self._working is not None and now - self._working > STUCK:
            return f"it has been at one piece of work for {now - self._working:.0f} s"
        if now - self._seen > LOST:
            return f"no sign of life for {now - self._seen:.0f} s"
        return None


class Watchdog:
    """Looks at the hearts of a front once a second."""

    def __init__(self, hearts: Sequence[Heart]) -> None:
        self._hearts = hearts
        self._told: set[str] = set()
        threading.Thread(target=self._watch, name="pumice-watchdog", daemon=True).start()

    @property
    def stuck(self) -> dict[str, str]:
        """The threads that are stuck, and why."""
        return {heart.name: why for heart in self._hearts if (why := heart.stuck) is not None}

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK)
            stuck = self.stuck
            for name in stuck.keys() - self._told:
                log.error("delivery_stuck", thread=name, why=stuck[name], at=self._place(name))
            for name in self._told - stuck.keys():
                log.info("delivery_back", thread=name)
            self._told = set(stuck)

    def _place(self, name: str) -> str:
        """Where a stuck thread is, if the interpreter knows it."""
        thread = next((heart.thread for heart in self._hearts if heart.name == name), None)
        frame = sys._current_frames().get(thread.ident or 0) if thread is not None else None  # noqa: SLF001 (the only way)
        if frame is None:
            return "unknown"
        last = traceback.extract_stack(frame)[-1]
        return f"{last.filename.rpartition('/')[2]}:{last.lineno} {last.name}"
