"""Operations on all sessions for which a condition holds: starting one, and how far it is. See `operation_steps`."""

import uuid
from datetime import datetime
from typing import Any, NamedTuple

from pumice.agents.context import new_id
from pumice.agents.json_text import dumps
from pumice.agents.names import UUID_FORM
from pumice.agents.operations import NewOperation
from pumice.errors import UnknownOperation
from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import NoRow, Statement

KEPT_DAYS = 30
"""Days after which a finished operation is forgotten when the agent's next one starts."""


class _Operation(NamedTuple):
    id: str
    action: str
    request: dict[str, Any]
    status: str
    matched: int
    done: int
    skipped: int
    failed: int
    problems: list[dict[str, Any]]
    created_at: datetime
    finished_at: datetime | None


class _Id(NamedTuple):
    id: str


FORGET = Statement(
    "forget_old_operations",
    """
delete from operations where agent_id = %(agent)s and status <> 'running' and not begun
  and finished_at < now() - make_interval(days => %(days)s)
""",
    NoRow,
)
"""Forgets operations that ended long ago."""

INSERT = Statement(
    "insert_operation",
    """
insert into operations (id, agent_id, action, request, matched, checked_at)
values (%(id)s::uuid, %(agent)s, %(action)s, %(request)s::json, %(matched)s, '-infinity')
""",
    NoRow,
)
"""Notes an operation, for a worker to take."""

READ = Statement(
    "read_operation",
    """
select id::text as id, action, request, status, matched, done, skipped, failed, problems, created_at, finished_at
from operations where agent_id = %(agent)s and id = %(id)s::uuid
""",
    _Operation,
)
"""One operation."""

LIST = Statement(
    "list_operations",
    """
select id::text as id, action, request, status, matched, done, skipped, failed, problems, created_at, finished_at
from operations
where agent_id = %(agent)s and id < %(before)s::uuid order by id desc limit %(limit)s
""",
    _Operation,
)
"""The newest operations of an agent."""

STOP = Statement(
    "stop_operation",
    """
update operations set status = 'stopped', finished_at = clock_timestamp(), position = '',
  session_id = case when begun then session_id end
where agent_id = %(agent)s and id = %(id)s::uuid and status = 'running' returning id::text as id
""",
    _Id,
)
"""Ends one that runs. What it did is not undone."""


def start(store: StoreConnection, agent_id: str, new: NewOperation, matched: int) -> str:
    """Have workers do it. `matched`: for how many sessions the condition holds now. Returns the operation's id."""
    operation = new_id()
    request = dumps({"where": new.where, **new.options}).decode()
    with store.transaction() as transaction:
        transaction.fetch(FORGET, {"agent": agent_id, "days": KEPT_DAYS})
        row = {"id": operation, "agent": agent_id, "action": new.action, "request": request, "matched": matched}
        transaction.fetch(INSERT, row)
    return operation


def read(store: StoreConnection, agent_id: str, operation: str) -> dict[str, Any]:
    """How far an operation is. Raises `UnknownOperation`."""
    found = store.fetch(READ, {"agent": agent_id, "id": operation}) if UUID_FORM.fullmatch(operation) else []
    if not found:
        raise UnknownOperation
    return _document(found[0])


def list_(store: StoreConnection, agent_id: str, *, before: str | None, limit: int) -> list[dict[str, Any]]:
    """The newest operations, older than `before`."""
    newest = str(uuid.UUID(int=2**128 - 1))
    rows = store.fetch(LIST, {"agent": agent_id, "before": before or newest, "limit": limit})
    return [_document(row) for row in rows]


def stop(store: StoreConnection, agent_id: str, operation: str) -> dict[str, Any]:
    """End an operation; one that has ended stays as it is. Returns how far it came. Raises `UnknownOperation`."""
    if UUID_FORM.fullmatch(operation):
        store.fetch(STOP, {"agent": agent_id, "id": operation})
    return read(store, agent_id, operation)


def _document(row: _Operation) -> dict[str, Any]:
    return {
        "operationId": row.id,
        "action": row.action,
        "status": row.status,
        "matched": row.matched,
        "done": row.done,
        "skipped": row.skipped,
        "failed": row.failed,
        "problems": row.problems,
        "request": row.request,
        "createdAt": row.created_at.isoformat(),
        "finishedAt": None if row.finished_at is None else row.finished_at.isoformat(),
    }
