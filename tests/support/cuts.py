"""Ending a database connection at one of its statements, as a killed process or a failing server does."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import psycopg

PATIENCE = 5_000
"""Milliseconds that the connection's server process has to end."""


@contextmanager
def cut(database_url: str, at: int) -> Iterator[None]:
    """End the connection that runs the `at`-th statement of this process from now on, before it runs; 0 ends none."""
    execute, ran = psycopg.Connection.execute, 0

    def counted(connection: psycopg.Connection[Any], *arguments: Any, **options: Any) -> Any:
        nonlocal ran
        ran += 1
        if ran == at:
            with psycopg.connect(database_url, autocommit=True) as other:
                execute(other, "select pg_terminate_backend(%s, %s)", [connection.info.backend_pid, PATIENCE])
        return execute(connection, *arguments, **options)

    with patch.object(psycopg.Connection, "execute", counted):
        yield
