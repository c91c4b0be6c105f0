"""Indexes that agents declare: on a field of the state or the metadata, for the sessions of that agent alone.

They are made beside running turns, and hold the very expressions that conditions ask with (see `conditions`).
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

import psycopg
from sqlalchemy import literal
from sqlalchemy.dialects import postgresql

from pumice.agents.conditions import IndexedField
from pumice.logs import get_logger
from pumice.sessions.conditions import Place
from pumice.sessions.connections import StoreConnection
from pumice.sessions.models import SessionRow
from pumice.sessions.statements import Statement

log = get_logger("pumice.indexes")


class _Index(NamedTuple):
    name: str
    is_valid: bool


KNOWN = Statement(
    "list_declared_indexes",
    """
select c.relname::text as name, i.indisvalid as is_valid from pg_index i
join pg_class c on c.oid = i.indexrelid
where i.indrelid = 'sessions'::regclass and c.relname like 'sessions\\_by\\_%%'
""",
    _Index,
)
"""The indexes that were made for agents. One that is not valid was not made to its end."""


def index_name(agent_id: str, field: IndexedField) -> str:
    """The name of an index, which tells agent and field apart from all others."""
    digest = sha256(f"{agent_id}\x00{field.name}\x00{field.is_number}".encode()).hexdigest()[:16]
    return f"sessions_by_{digest}"


def create_indexes(store: StoreConnection, agent_id: str, fields: Sequence[IndexedField]) -> list[str]:
    """Make those of an agent's indexes that are missing, one after the other, which may take minutes.

    Returns the fields for which one was made. What another process is making, or a long transaction keeps from being
    made, is left for another time; see `has_indexes`.
    Raises `StoreAwayError`.
    """
    known = {row.name: row.is_valid for row in store.fetch(KNOWN)}
    made = []
    for field in fields:
        name = index_name(agent_id, field)
        if known.get(name):
            continue
        try:
            if name in known:
                store.connection.execute(f"drop index concurrently if exists {name}".encode())
            store.connection.execute(index_ddl(agent_id, field).encode())
        except (
            psycopg.errors.DuplicateTable,
            psycopg.errors.UniqueViolation,
            psycopg.errors.DeadlockDetected,
            psycopg.errors.LockNotAvailable,
            psycopg.errors.UndefinedObject,
        ):
            continue
        log.info("index_made", agent=agent_id, field=field.name, index=name)
        made.append(field.name)
    return made


def has_indexes(store: StoreConnection, agent_id: str, fields: Sequence[IndexedField]) -> bool:
    """Whether all of an agent's indexes are there."""
    known = {row.name for row in store.fetch(KNOWN) if row.is_valid}
    return all(index_name(agent_id, field) in known for field in fields)


def index_ddl(agent_id: str, field: IndexedField) -> str:
    """The statement that makes an index."""
    place = Place.of(field.root, field.path)
    expression = _text(place.number if field.is_number else place.text)
    only = _text(SessionRow.agent_id == literal(agent_id))
    return (
        f"create index concurrently if not exists {index_name(agent_id, field)} on sessions "
        f"(({expression}), id) where {only}"
    )


def _text(expression: object) -> str:
    """An expression as SQL with its values in it, quoted."""
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    options = {"literal_binds": True, "include_table": False}
    return str(expression.compile(dialect=dialect, compile_kwargs=options))  # type: ignore[attr-defined]
