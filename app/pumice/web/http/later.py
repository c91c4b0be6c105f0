"""Calls that are to come a fixed while later, all from one thread: a timer for each would be a thread for each."""

import threading
import time
from collections import deque
from collections.abc import Callable

from pumice.logs import get_logger

log = get_logger("pumice.delivery")


class Later:
    """Makes calls `delay` seconds after they were asked for, in order. They must not block."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._calls: deque[tuple[float, Callable[[], None]]] = deque()
        self._asked = threading.Event()
        threading.Thread(target=self._run, name="pumice-later", daemon=True).start()

    def call(self, function: Callable[[], None]) -> None:
        """Have this called."""
        self._calls.append((time.monotonic() + self._delay, function))
        self._asked.set()

    def _run(self) -> None:
        while True:
            self._asked.wait()
            self._asked.clear()
            while self._calls:
                due, function = self._calls.popleft()
                time.sleep(max(due - time.monotonic(), 0))
                try:
                    function()
                except Exception:
                    log.exception("late_call_failed")
