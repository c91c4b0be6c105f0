"""What waits for a lock, by what it waits for: each is tried again by itself, so that it holds up nothing else.

A lane is all that waits for the same session. It has a thread while there is anything in it; a try keeps one of a few
connections for a moment, then others have their turn. What has waited for `PATIENCE` gets a 503.
"""

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

from psycopg.errors import LockNotAvailable

from pumice.errors import Internal, Problem, StoreAway, StoreAwayError, StoreBusy
from pumice.logs import get_logger
from pumice.sessions.connections import StoreConnection, StoreConnections

PATIENCE = 4.0
PAUSE = 0.05
AT_ONCE = 100
"""How much of a lane is tried together."""

log = get_logger("pumice.web")


class Waiting(Protocol):
    """Something that waits, and can be told that it is over."""

    def settle(self, problem: Problem | None = None) -> None:
        """Let it go on."""


T = TypeVar("T", bound=Waiting)


class SetAside(Generic[T]):
    """The lanes of one front process."""

    def __init__(self, connections: StoreConnections, attempt: Callable[[StoreConnection, list[T]], None]) -> None:
        """`attempt` settles what it is given, or raises psycopg's `LockNotAvailable`."""
        self._connections = connections
        self._attempt = attempt
        self._lanes: dict[Hashable, list[tuple[float, T]]] = {}
        self._lock = threading.Lock()

    def follow(self, lane: Hashable, one: T) -> bool:
        """Have it wait behind what is in the lane. Returns false when there is nothing."""
        if lane not in self._lanes:
            return False
        with self._lock:
            if lane not in self._lanes:
                return False
            self._lanes[lane].append((time.monotonic() + PATIENCE, one))
            return True

    def put(self, lane: Hashable, one: T) -> None:
        """Have it wait in a lane."""
        with self._lock:
            entry = (time.monotonic() + PATIENCE, one)
            if lane in self._lanes:
                self._lanes[lane].append(entry)
                return
            self._lanes[lane] = [entry]
        log.warning("accept_waits", session=lane, instead="it is tried again by itself")
        threading.Thread(target=self._serve, args=[lane], name="pumice-aside", daemon=True).start()

    def _serve(self, lane: Hashable) -> None:
        while entries := self._next(lane):
            batch = [one for _, one in entries]
            try:
                with self._connections.borrow() as store:
                    self._attempt(store, batch)
            except LockNotAvailable:
                now = time.monotonic()
                over = [entry for entry in entries if entry[0] < now]
                self._settle(lane, over, StoreBusy(retry_after=1))
                time.sleep(PAUSE)
            except StoreAwayError:
                self._settle(lane, entries, StoreAway(retry_after=2))
            except Exception:
                log.exception("accept_failed")
                self._settle(lane, entries, Internal())
            else:
                self._settle(lane, entries, None)

    def _next(self, lane: Hashable) -> list[tuple[float, T]]:
        """What is to be tried now. A lane in which nothing waits ends."""
        with self._lock:
            entries = self._lanes[lane][:AT_ONCE]
            if not entries:
                del self._lanes[lane]
            return entries

    def _settle(self, lane: Hashable, entries: list[tuple[float, T]], problem: Problem | None) -> None:
        """Take these, which are the first, out of their lane; tell them of a problem."""
        with self._lock:
            del self._lanes[lane][: len(entries)]
        for _, one in entries if problem is not None else ():
            one.settle(problem)
