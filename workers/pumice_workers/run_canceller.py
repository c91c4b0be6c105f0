"""Cancelling a job's run for the next one: as an operator's cancel does, but only if that run is what runs."""

import orjson
import redis

from pumice.agents.states import Reason
from pumice.messaging.events import CONTROL, Event, Reply
from pumice.messaging.redis_connection import connect
from pumice.messaging.wakes import Wake
from pumice.sessions.cancel import cancel
from pumice.sessions.connections import StoreConnection
from pumice_workers.services import Services

LOCK_WAIT = 0.2
"""Seconds to wait for a session that somebody else holds."""


class RunCanceller:
    """Cancels runs on a connection of its own."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._store = StoreConnection(services.settings, lock_wait=LOCK_WAIT)
        self._control = connect(services.settings.redis_url)

    def __call__(self, agent_id: str, session_id: str, interaction_id: str) -> None:
        """Cancel a run of the session, if it has not ended and nothing else runs there.

        Raises `StoreAwayError`, and psycopg's `LockNotAvailable` when the session is held for too long.
        """
        done = cancel(
            self._store, agent_id, session_id, queued=False, only=interaction_id, reason=Reason.OVERLAP_CANCELLED
        )
        if done is None:
            return
        for finished, front_id in done.interactions:
            self._services.events.publish(*(Event.of(agent_id, session_id, event) for event in finished.events()))
            if front_id is not None:
                self._services.events.publish(Reply(front_id, finished))
        if done.token is not None:
            self._order({"cancel": [agent_id, session_id], "token": done.token})
        if done.waiting is not None:
            self._services.wakes.wake([Wake.of(agent_id, session_id, done.waiting)])

    def _order(self, order: dict[str, object]) -> None:
        """Tell the worker that runs it. Its commit is refused anyway, so that nothing is lost when Redis is away."""
        try:
            self._control.publish(CONTROL, orjson.dumps(order))
        except redis.RedisError:
            return
