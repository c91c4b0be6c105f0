"""The Celery tasks."""

from datetime import datetime

from pumice.messaging.wakes import FAN_OUT, RUN_SESSIONS
from pumice.sessions.ticks import Tick
from pumice_workers.celery_app import celery, process


@celery.task(name=RUN_SESSIONS, Strategy="pumice_workers.direct_strategy:direct")
def run_sessions(keys: list[list[str]]) -> None:
    """Run what is due in these sessions, given as `[agent_id, session_id]`."""
    process.runtime().run_sessions(keys)


@celery.task(name=FAN_OUT, Strategy="pumice_workers.direct_strategy:direct")
def fan_out(agent_id: str, job: str, scheduled_for: str) -> None:
    """Fan a tick out to its sessions. `scheduled_for` is ISO 8601."""
    process.runtime().fan_out(Tick(agent_id, job, datetime.fromisoformat(scheduled_for)))
