"""The Celery tasks."""

from typing import Any

from pumice.messaging.wakes import FAN_OUT, RUN_SESSIONS
from pumice_workers.celery_app import celery, process


@celery.task(name=RUN_SESSIONS, bind=True, Strategy="pumice_workers.direct_strategy:scheduled")
def run_sessions(self: Any, keys: list[list[str]], *more: Any) -> None:
    """Run what is due in these sessions, given as `[agent_id, session_id]`; see `pumice.messaging.wakes`."""
    queue = (self.request.delivery_info or {}).get("routing_key", "hooks")
    process.runtime().run_sessions(keys, queue, [keys, *more])


@celery.task(name=FAN_OUT, Strategy="pumice_workers.direct_strategy:direct")
def fan_out(agent_id: str, job: str, scheduled_for: str) -> None:  # noqa: ARG001 (for whoever reads the queue)
    """Look for ticks now: a beat has inserted one."""
    process.runtime().fan_out.hint()
