"""The SQLAlchemy engine, for all that is not on the hot path."""

from typing import Any

import psycopg
from sqlalchemy import Connection, Engine, ExceptionContext, create_engine, event, text

from pumice.sessions.away import address, is_away
from pumice.settings import Settings

PATIENCE = 5
"""Seconds that a query waits for a connection, and a statement for a lock."""
READ_LIMIT = 10
"""Seconds that a statement of a front's may run: a slow one must not keep a connection from the others."""


def make_engine(settings: Settings, *, limit: int = 0) -> Engine:
    """An engine with a small pool; connections are opened when they are first used.

    limit: seconds that a statement may run; 0 for as long as it takes.
    """
    bounds = {
        "statement_timeout": f"{limit}s",
        "lock_timeout": f"{PATIENCE}s",
        "idle_in_transaction_session_timeout": f"{PATIENCE}s",
    }
    arguments: dict[str, Any] = {"connect_timeout": PATIENCE, "application_name": "pumice"}
    if settings.database_pooled:
        arguments["prepare_threshold"] = None
    else:
        arguments["options"] = " ".join(f"-c {name}={value}" for name, value in bounds.items())

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(address(settings.database_url), **arguments)

    pool = {"pool_size": 5, "max_overflow": 5, "pool_timeout": PATIENCE, "pool_pre_ping": True}
    # Errors are logged, and the parameters of a statement are what clients and authors wrote.
    engine = create_engine("postgresql+psycopg://", **pool, hide_parameters=True, creator=connect)
    event.listen(engine, "handle_error", _drop_connection)
    if settings.database_pooled:
        # The pooler hands a connection of the server's to others after each transaction: the bounds go with it.
        bounded = text("; ".join(f"set local {name} = '{value}'" for name, value in bounds.items()))
        event.listen(engine, "begin", lambda connection: _bound(connection, bounded))
    return engine


def _drop_connection(context: ExceptionContext) -> None:
    """A connection to a server that refuses to work is not kept: the next may lead to one that does."""
    if is_away(context.original_exception):
        context.is_disconnect = True


def _bound(connection: Connection, bounds: Any) -> None:
    connection.execute(bounds)
