"""The replay loop of a worker process: brings replays on, a session at a time, whichever process is at it."""

import threading

import psycopg

from pumice.errors import StoreAwayError
from pumice.logs import Outage, get_logger
from pumice.messaging.wakes import Wake
from pumice.sessions.connections import StoreConnection
from pumice.sessions.replay_steps import Replayed, step
from pumice_workers.services import Services

IDLE = 1.0
"""Seconds between two looks while no replay runs."""
BUSY = 0.05
"""Seconds between two steps: live turns share the server with them."""

log = get_logger("pumice.replay")


class ReplayLoop:
    """A thread that brings replays on, on a connection of its own."""

    def __init__(self, services: Services) -> None:
        self._agents = {
            one: Replayed(tuple(spec.cls.replay_ignore), spec.cls.model is not None)
            for one, spec in services.registry.items()
        }
        self._wakes = services.wakes
        self._store = StoreConnection(services.settings)
        self._away = Outage(log, "replay_store")
        self._stop = threading.Event()

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="pumice-replay", daemon=True).start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()

    def _run(self) -> None:
        wait = IDLE
        while not self._stop.wait(wait):
            wait = IDLE
            try:
                wait = BUSY if self._step() else IDLE
                self._away.ends()
            except StoreAwayError as error:
                self._away.begins(error=error)
            except psycopg.Error:
                log.exception("replay_failed")
                self._store.close()
        self._store.close()

    def _step(self) -> bool:
        """Take a step. Its session is woken where jobs are, so that chats go first."""
        done = step(self._store, self._agents)
        if done is not None and done.session_id is not None:
            self._wakes.wake([Wake("jobs", done.agent_id, done.session_id)])
        return done is not None
