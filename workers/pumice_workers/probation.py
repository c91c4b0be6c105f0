"""Running suspects: after a crash, sessions that a lost worker held are run so that the culprit shows itself."""

import threading
import time

EXCLUSIVE = 1.0
"""Seconds that a suspect has this process's other suspects wait; one that crashes at once is so found alone."""


class ProbationGate:
    """Lets suspects start one by one: the next when the last has finished or has run for `EXCLUSIVE` seconds."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._holder: object | None = None
        self._since = 0.0

    def enter(self, run: object) -> None:
        """Wait for this run's place."""
        with self._changed:
            while self._holder is not None and (left := self._since + EXCLUSIVE - time.monotonic()) > 0:
                self._changed.wait(left)
            self._holder, self._since = run, time.monotonic()

    def leave(self, run: object) -> None:
        """Let the next one start."""
        with self._changed:
            if self._holder is run:
                self._holder = None
                self._changed.notify_all()
