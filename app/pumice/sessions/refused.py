"""The last word on a turn that Postgres does not even save as a failure of its session: the interaction fails alone."""

from typing import NamedTuple

from pumice.agents.turn import Outcome
from pumice.sessions.connections import StoreConnection
from pumice.sessions.effects import outcome_row
from pumice.sessions.leases import Lease
from pumice.sessions.parameters import json_rows
from pumice.sessions.statements import Statement


class _Failed(NamedTuple):
    id: str


FAIL = Statement(
    "fail_refused",
    """
with held as (
  update sessions set lease_token = null, lease_worker = null, lease_until = null
  where agent_id = %(agent)s and id = %(session)s and lease_token = %(token)s returning agent_id, id
)
update interactions i set status = f.status, attempts = f.attempt, errors = coalesce(i.errors, '[]') || f.error::jsonb,
  reason = f.reason, finished_at = clock_timestamp(), lease_token = %(token)s
from held h, json_to_recordset(%(outcomes)s::json) as f(id uuid, status text, attempt int, error text, reason text)
where i.id = f.id and i.agent_id = h.agent_id and i.session_id = h.id and i.finished_at is null
returning i.id::text as id
""",
    _Failed,
)
"""Fails an interaction and gives its session's lease back, and touches nothing else of the session."""


def fail_alone(store: StoreConnection, lease: Lease, outcome: Outcome) -> bool:
    """Fail an interaction whose failure can't be committed with its session. Returns whether the lease held.

    Raises psycopg's errors, and `StoreAwayError`.
    """
    options = {"agent": lease.agent_id, "session": lease.session_id, "token": lease.token}
    return bool(store.fetch(FAIL, {**options, "outcomes": json_rows([outcome_row(outcome)])}))
