"""A thread of a worker process that brings long work on, a step at a time, whichever process is at it."""

import threading
from collections.abc import Callable

from pumice.errors import StoreAwayError
from pumice.logs import Outage, get_logger
from pumice.sessions.connections import StoreConnection

IDLE = 1.0
"""Seconds between two looks while there is nothing to do."""
BUSY = 0.05
"""Seconds between two steps: live turns share the server with them."""

log = get_logger("pumice.steps")


class StepLoop:
    """Calls a step again and again: soon while it returns true, and else once in a while.

    A step may also return for how many seconds it has nothing to do.
    """

    def __init__(self, name: str, store: StoreConnection, step: Callable[[StoreConnection], bool | float]) -> None:
        """name: of the thread, and in the log. store: a connection for this loop alone."""
        self._name = name
        self._store = store
        self._step = step
        self._away = Outage(log, f"{name}_store")
        self._stop = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name=f"pumice-{self._name}", daemon=True).start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()

    def _run(self) -> None:
        wait = IDLE
        while not self._stop.wait(wait):
            wait = IDLE
            try:
                wait = _pause(self._step(self._store))
                self._away.ends()
            except StoreAwayError as error:
                self._away.begins(error=error)
            except Exception:
                log.exception("step_failed", of=self._name)
                self._store.close()
        self._store.close()


def _pause(done: bool | float) -> float:
    """Seconds until the next step, by what the last one returned."""
    if isinstance(done, bool):
        return BUSY if done else IDLE
    return done
