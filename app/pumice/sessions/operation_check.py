"""Whether an operation's condition holds for a session at the moment at which something is done to it."""

from typing import NamedTuple

from sqlalchemy import DateTime, bindparam, cast, select
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from pumice.agents.conditions import Condition
from pumice.sessions.conditions import as_sql
from pumice.sessions.connections import Transaction
from pumice.sessions.models import SessionRow
from pumice.sessions.staleness import refresh_one
from pumice.sessions.statements import Statement


class _Locked(NamedTuple):
    id: str


LOCK = Statement(
    "lock_session_to_operate",
    "select id from sessions where agent_id = %(agent)s and id = %(session)s and deleted_at is null for update",
    _Locked,
)
"""Takes the session; no claim and no commit comes between what is asked of it and what is done."""


class Check:
    """A condition on sessions that were made up to the time `before`, asked of one session at a time."""

    def __init__(self, agent_id: str, condition: Condition, before: str) -> None:
        query = select(SessionRow.id).where(
            SessionRow.agent_id == agent_id,
            SessionRow.id == bindparam("checked_session"),
            SessionRow.created_at <= cast(before, DateTime(timezone=True)),
            as_sql(condition),
        )
        dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
        compiled = query.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        self._agent_id = agent_id
        self._looks_at_state = condition.looks_at_state
        self._sql = str(compiled).encode()
        self._parameters = compiled.params

    def holds(self, transaction: Transaction, session_id: str) -> bool:
        """Whether the session is there and the condition holds. It stays so until the transaction ends.

        Raises psycopg's `LockNotAvailable` when others hold the session's row.
        """
        if not transaction.fetch(LOCK, {"agent": self._agent_id, "session": session_id}):
            return False
        if self._looks_at_state:
            refresh_one(transaction, self._agent_id, session_id)
        return transaction.finds(self._sql, self._parameters | {"checked_session": session_id})
