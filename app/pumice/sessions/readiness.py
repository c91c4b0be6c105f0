"""Whether Postgres takes writes: tried with the very insert that accepting is, which is then undone.

A statement that only reads would find a standby ready, and one that changes a row in place a full disk.
"""

import os
import select
import threading
import time
from typing import Any, LiteralString

import psycopg

from pumice.errors import StoreAwayError
from pumice.sessions.away import address, outline
from pumice.settings import Settings

FRESH = 1.0
"""Seconds that a finding holds, however often it is asked for."""
LIMIT = 2
"""Seconds that Postgres has for its answer."""
BODY = 8_000
"""Bytes of the row that is tried: it needs a page of its own."""

BOUND: LiteralString = "/* ready_bounds */ set local statement_timeout = '2s'; set local lock_timeout = '1s'"
"""What bounds a check's statements, pooled connections or not."""
SCHEMA: LiteralString = "/* ready_schema */ select id from sessions limit 0"
"""Fails where no migration was applied."""
WRITE: LiteralString = """/* ready_write */
insert into interactions (id, agent_id, session_id, kind, payload, body, status, finished_at)
values (pumice_uuid7(), '', '', 'hook', '{}', %s, 'cancelled', now())
"""
"""An interaction that nothing looks for, and that is never committed."""


class WriteCheck:
    """Finds out whether Postgres takes writes. Thread-safe; a check that hangs holds up nobody for longer than `LIMIT`.

    All who ask at the same time share one check.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._connection: psycopg.Connection[Any] | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._checking = False
        self._checked_at = 0.0
        self._problem: str | None = None

    def demand(self) -> None:
        """Return when Postgres takes writes. Raises `StoreAwayError`, which says why it does not."""
        over = self._begin()
        if over is not None and not over.wait(LIMIT):
            raise StoreAwayError(f"Postgres can't be reached: no answer within {LIMIT} s")
        if self._problem is not None:
            raise StoreAwayError(self._problem)

    def _begin(self) -> threading.Event | None:
        """Begin a check, or join the one under way; None when the last finding is fresh."""
        with self._lock:
            if self._checking:
                return self._over
            if time.monotonic() - self._checked_at < FRESH and not self._has_ended():
                return None
            self._checking, self._over = True, threading.Event()
            over = self._over
        threading.Thread(target=self._check, args=(over,), name="pumice-ready", daemon=True).start()
        return over

    def _has_ended(self) -> bool:
        """Whether the connection was closed since the last check: nothing else comes on one that asks nothing."""
        if self._connection is None:
            return False
        return self._connection.closed or bool(select.select([self._connection], [], [], 0)[0])

    def _check(self, over: threading.Event) -> None:
        problem: str | None = "Postgres could not be asked"
        try:
            problem = self._find_problem()
        finally:
            with self._lock:
                self._problem, self._checked_at, self._checking = problem, time.monotonic(), False
            over.set()

    def _find_problem(self) -> str | None:
        reused = self._connection is not None
        try:
            self._try()
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._close()
            return self._find_problem() if reused else outline(error)
        except (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn, psycopg.errors.UndefinedFunction):
            self._close()
            return "Postgres is not migrated: run `pumice db upgrade`"
        except psycopg.Error as error:
            self._close()
            return outline(error)
        return None

    def _try(self) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                address(self._settings.database_url),
                autocommit=True,
                connect_timeout=LIMIT,
                prepare_threshold=None,
                tcp_user_timeout=5_000,
                application_name="pumice",
            )
        connection = self._connection
        with connection.transaction(force_rollback=True):
            connection.execute(BOUND)
            connection.execute(SCHEMA)
            connection.execute(WRITE, (os.urandom(BODY),))

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
