"""Celery's consumer, which finds a broker that was away for long as soon as one that was away for a moment."""

from functools import partial
from typing import Any

from celery.worker.consumer import Consumer as CeleryConsumer

PAUSE = 1.0
"""Seconds between two tries to reach the broker. Celery's own pause grows to 30."""


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """Takes wakes from the broker."""

    def ensure_connected(self, conn: Any) -> Any:
        """Connect, trying again at a steady pace."""
        conn.ensure_connection = partial(
            conn.ensure_connection, interval_start=PAUSE, interval_step=0, interval_max=PAUSE
        )
        return super().ensure_connected(conn)
