"""Indexes that agents declare: on a field of the state or the metadata, for the sessions of that agent alone.

They are made beside running turns, and hold the very expressions that conditions ask with (see `places`).
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, LiteralString, NamedTuple

import psycopg
from sqlalchemy import literal
from sqlalchemy.dialects import postgresql

from pumice.agents.conditions import IndexedField
from pumice.logs import get_logger
from pumice.sessions.away import address
from pumice.sessions.connections import CONNECT_TIMEOUT, StoreConnection
from pumice.sessions.models import SessionRow
from pumice.sessions.places import Place
from pumice.sessions.statements import Statement
from pumice.settings import Settings

FORM = 2
"""Changes when the expressions do: then indexes get other names, and are made anew."""
LOCK_WAIT = 300
"""Seconds that the building of an index waits for older transactions. It holds up no turn meanwhile."""
BUILDING = 7_864_226
"""The advisory lock of the process that makes indexes."""
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

TAKE: LiteralString = "select pg_try_advisory_lock(%s)"
"""Makes this process the one that makes indexes, as long as its connection lives."""

STATE: LiteralString = """
select i.indisvalid, exists (select from pg_stat_progress_create_index p where p.index_relid = i.indexrelid)
from pg_index i where i.indexrelid = to_regclass(%s)
"""
"""Whether an index was made to its end, and whether it is being made now."""


def index_name(agent_id: str, field: IndexedField) -> str:
    """The name of an index, which tells agent and field apart from all others."""
    digest = sha256(f"{agent_id}\x00{field.name}\x00{field.compared}\x00{FORM}".encode()).hexdigest()[:16]
    return f"sessions_by_{digest}"


def create_indexes(settings: Settings, agent_id: str, fields: Sequence[IndexedField]) -> list[str]:
    """Make those of an agent's indexes that are missing, one after the other, which may take hours.

    Returns the fields for which one was made. What another process is making is left to it; see `has_indexes`.
    Raises `psycopg.Error` when one can't be made, after all others were tried.
    """
    made, failure = [], None
    with _connect(settings) as connection:
        if not settings.database_pooled and not _scalar(connection, TAKE, BUILDING):
            return []
        for field in fields:
            try:
                if _make(connection, agent_id, field):
                    made.append(field.name)
            except psycopg.Error as error:
                if connection.closed:
                    raise
                failure = failure or error
    if failure is not None:
        raise failure
    return made


def _make(connection: psycopg.Connection[Any], agent_id: str, field: IndexedField) -> bool:
    """Make one index. Returns whether it was missing."""
    name = index_name(agent_id, field)
    found = connection.execute(STATE, [name]).fetchone()
    if found is not None:
        is_valid, is_being_made = found
        if is_valid or is_being_made:
            return False
        connection.execute(f"drop index concurrently if exists {name}".encode())
    connection.execute(index_ddl(agent_id, field).encode())
    log.info("index_made", agent=agent_id, field=field.name, index=name)
    return True


def has_indexes(store: StoreConnection, agent_id: str, fields: Sequence[IndexedField]) -> bool:
    """Whether all of an agent's indexes are there."""
    known = {row.name for row in store.fetch(KNOWN) if row.is_valid}
    return all(index_name(agent_id, field) in known for field in fields)


def index_ddl(agent_id: str, field: IndexedField) -> str:
    """The statement that makes an index."""
    place = Place(field.root, field.path)
    compared = {"text": place.indexed_text, "number": place.number, "decimal": place.decimal}[field.compared]
    only = _text(SessionRow.agent_id == literal(agent_id))
    return (
        f"create index concurrently if not exists {index_name(agent_id, field)} on sessions "
        f"(({_text(compared)}), id) where {only}"
    )


def _text(expression: object) -> str:
    """An expression as SQL with its values in it, quoted."""
    # A dialect whose statements have no parameters in the style of Python's `%` leaves percent signs as they are.
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    options = {"literal_binds": True, "include_table": False}
    return str(expression.compile(dialect=dialect, compile_kwargs=options))  # type: ignore[attr-defined]


def _connect(settings: Settings) -> psycopg.Connection[Any]:
    """A connection of its own, on which statements may take as long as they do."""
    options: dict[str, Any] = {}
    if not settings.database_pooled:
        options["options"] = f"-c statement_timeout=0 -c lock_timeout={LOCK_WAIT}s"
    return psycopg.connect(
        address(settings.database_url),
        autocommit=True,
        connect_timeout=CONNECT_TIMEOUT,
        keepalives_idle=10,
        keepalives_interval=3,
        keepalives_count=3,
        prepare_threshold=None,
        application_name="pumice",
        **options,
    )


def _scalar(connection: psycopg.Connection[Any], query: LiteralString, *values: Any) -> Any:
    row = connection.execute(query, values).fetchone()
    return row[0] if row else None
