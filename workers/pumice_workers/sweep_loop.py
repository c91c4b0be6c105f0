"""The sweep loop of a worker process: every few seconds, if nobody else is at it, what has had its time is deleted."""

import threading
import time
from collections import Counter

import psycopg

from pumice.errors import StoreAwayError
from pumice.logs import Outage, get_logger
from pumice.sessions.connections import StoreConnection
from pumice.sessions.sweep import Sweeper
from pumice.settings import Settings

INTERVAL = 5.0
REST = 0.67
"""Part of the time that the loop rests while it has much to delete: turns share the server with it."""

log = get_logger("pumice.sweep")


class SweepLoop:
    """A thread that sweeps, on a connection of its own."""

    def __init__(self, settings: Settings) -> None:
        self._sweeper = Sweeper(settings)
        self._store = StoreConnection(settings, durable=False)
        self._away = Outage(log, "sweep_store")
        self._stop = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="pumice-sweep", daemon=True).start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL):
            try:
                self._round()
                self._away.ends()
            except StoreAwayError as error:
                self._away.begins(error=error)
            except psycopg.Error:
                log.exception("sweep_failed")
                self._store.close()
        self._store.close()

    def _round(self) -> None:
        gone: Counter[str] = Counter()
        began = time.monotonic()
        for swept in self._sweeper.round(self._store):
            gone[swept.kind] += swept.gone
            if self._stop.wait((time.monotonic() - began) * REST / (1 - REST)):
                break
            began = time.monotonic()
        if found := {kind.replace(" ", "_"): count for kind, count in gone.items() if count}:
            log.debug("swept", **found)
