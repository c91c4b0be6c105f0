"""What a database says of itself: its version, its schema's revision, and whether clients share its connections."""

from typing import Any, LiteralString, NamedTuple

import psycopg

OLDEST_SERVER = 14
"""The oldest PostgreSQL that Pumice runs on."""

HAS_REVISION: LiteralString = "select to_regclass('alembic_version') is not null"
"""Whether any migration was ever applied here."""

REVISION: LiteralString = "select version_num from alembic_version"
"""The revision of the schema."""

BACKEND: LiteralString = "select pg_backend_pid()"
"""The process of the server that answers this statement."""


class Database(NamedTuple):
    """A database as a client sees it. `revision` is None where no migration was applied.

    `shared` means that a pooler gives one connection of the server to several clients by turns, as PgBouncer does in
    transaction mode.
    """

    server_version: int
    revision: str | None
    shared: bool


def look_at(database_url: str) -> Database:
    """Ask a database what it is. Raises `psycopg.Error`."""
    with _connect(database_url) as connection:
        version = connection.info.server_version // 10_000
        migrated = _scalar(connection, HAS_REVISION)
        revision = _scalar(connection, REVISION) if migrated else None
        direct = connection.info.backend_pid == _scalar(connection, BACKEND)
        return Database(version, revision, shared=not direct and _is_shared(connection, database_url))


def _is_shared(first: psycopg.Connection[Any], database_url: str) -> bool:
    """Whether two clients are ever answered by the same process of the server, or one by two.

    A pooler in session mode never does that. The second client keeps its process only where the first was answered by
    another one: in a pool of one connection nobody may hold it.
    """
    before = _scalar(first, BACKEND)
    with _connect(database_url) as second:
        if _scalar(second, BACKEND) == before:
            return True
        with second.transaction():
            held = _scalar(second, BACKEND)
            return held == before or bool(_scalar(first, BACKEND) != before)


def _connect(database_url: str) -> psycopg.Connection[Any]:
    return psycopg.connect(database_url, autocommit=True, connect_timeout=5, prepare_threshold=None)


def _scalar(connection: psycopg.Connection[Any], query: LiteralString) -> Any:
    row = connection.execute(query).fetchone()
    return row[0] if row else None
