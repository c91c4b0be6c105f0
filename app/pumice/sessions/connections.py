"""Connections for the hot path: one psycopg connection each, opened when needed, opened anew after a loss.

The statements of accept, claim, commit and rescue go through psycopg directly: SQLAlchemy's Core costs as much again
as the statement itself there. Everything else uses the engine (see `queries`).
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg import errors as pg
from psycopg import sql

from pumice.errors import StoreAwayError, StoreBusyError
from pumice.sessions.away import AGAIN, BUSY, address, explain, is_away
from pumice.sessions.statements import Parameters, RowT, Statement
from pumice.settings import Settings

T = TypeVar("T")
FirstT = TypeVar("FirstT", bound=NamedTuple)
SecondT = TypeVar("SecondT", bound=NamedTuple)

CONNECT_TIMEOUT = 5
INDEXED = (
    "-c plan_cache_mode=force_generic_plan"
    " -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off"
)
"""Every hot statement looks its few rows up by index. So it is planned once, not at each call (which cost as much as
running it), and a plan made while the tables were small must not say anything else."""
IDLE = "-c idle_in_transaction_session_timeout=5s"
"""A process that is suspended in the middle of a transaction must not hold up others for longer."""
HASTY = "-c synchronous_commit=off -c lock_timeout=500ms"
RETRIES = 5
UNANSWERED = 10.0
"""Seconds that a statement may go unanswered. A server that is stopped, or a network that swallows everything, neither
answers nor closes the connection. Statements here take milliseconds, and none may wait for a lock as long as this."""
PATIENCE = 5.0
"""Seconds that a borrower waits for a connection while all are lent."""


class _Connection(psycopg.Connection[Any]):
    """A connection that is lost when a statement goes unanswered."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Wait for what Postgres answers; raises `psycopg.OperationalError` after `UNANSWERED` seconds."""
        try:
            return super().wait(gen, interval, UNANSWERED if timeout is None else timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                self.pgconn.finish()  # nobody shall wait as long again for the end of the transaction
            raise


class StoreConnection:
    """One connection in autocommit mode. Not for two threads at once."""

    def __init__(self, settings: Settings, *, durable: bool = True, lock_wait: float | None = None) -> None:
        """`durable=False` does not wait for the disk at commit: for what may be lost without harm.

        lock_wait: seconds to wait for a lock that another transaction holds, before psycopg's `LockNotAvailable`.
        """
        self._settings = settings
        self._durable = durable
        self._lock_wait = lock_wait
        self._connection: psycopg.Connection[Any] | None = None

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """The open connection. Raises `StoreAwayError`."""
        if self._connection is None or self._connection.closed:
            self._connection = self._open()
        return self._connection

    def fetch(
        self, statement: Statement[RowT], parameters: Parameters = (), *, again: bool = False, hasty: bool = False
    ) -> list[RowT]:
        """Run one statement and return its rows. Raises `StoreAwayError` when it may or may not have happened.

        again: it does no harm twice, so when its connection turns out to be lost it is tried on another.
        hasty: it is not tried again when others hold what it needs for too long: that is a `StoreBusyError` at once.
        """
        if self._lock_wait is not None and self._settings.database_pooled:
            return self._guarded(lambda connection: self._fetch_pooled(connection, statement, parameters), again=again)
        return self._guarded(lambda connection: _fetch(connection, statement, parameters), again=again, hasty=hasty)

    def fetch_both(
        self,
        first: tuple[Statement[FirstT], Parameters],
        second: tuple[Statement[SecondT], Parameters],
        *,
        before: tuple[Statement[Any], Parameters] | None = None,
    ) -> tuple[list[FirstT], list[SecondT]]:
        """Run two statements in one transaction and one round trip; the second sees what was committed meanwhile.

        They must do no harm twice: when their connection turns out to be lost, they are tried on another.
        before: one more, whose rows are not wanted; with it, it is not tried again when others hold what it needs.
        """

        def run(connection: psycopg.Connection[Any]) -> tuple[list[FirstT], list[SecondT]]:
            with connection.pipeline():
                if before is not None:
                    connection.execute(before[0].sql, before[1])
                cursors = connection.execute(first[0].sql, first[1]), connection.execute(second[0].sql, second[1])
            return first[0].rows(cursors[0]), second[0].rows(cursors[1])

        return self._guarded(run, again=True, hasty=before is not None)

    @contextmanager
    def transaction(self) -> Iterator["Transaction"]:
        """A transaction of several statements. Raises `StoreAwayError`.

        It is a `StoreBusyError` when others hold what a statement waited for; with a `lock_wait`, psycopg's
        `LockNotAvailable` comes through instead.
        """
        try:
            with self.connection.transaction():
                if self._lock_wait is not None and self._settings.database_pooled:
                    self.connection.execute(self._set_lock_wait)
                yield Transaction(self.connection)
        except BUSY as error:
            if self._gives_up_on(error):
                raise
            raise StoreBusyError(explain(error)) from error
        except psycopg.Error as error:
            if not is_away(error):
                raise
            self.close()
            raise StoreAwayError(explain(error)) from error

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except psycopg.Error:
                return

    def _guarded(self, run: Callable[[psycopg.Connection[Any]], T], *, again: bool, hasty: bool = False) -> T:
        for left in range(RETRIES, -1, -1):
            try:
                return run(self.connection)
            except (*AGAIN, *BUSY) as error:
                if self._gives_up_on(error):
                    raise
                if not left or (hasty and isinstance(error, BUSY)):
                    if isinstance(error, BUSY):
                        raise StoreBusyError(explain(error)) from error
                    raise
            except psycopg.Error as error:
                if not is_away(error):
                    raise
                self.close()
                if not again:
                    raise StoreAwayError(explain(error)) from error
                again = False
        raise AssertionError

    def _fetch_pooled(
        self, connection: psycopg.Connection[Any], statement: Statement[RowT], parameters: Parameters
    ) -> list[RowT]:
        """Behind a pooler a setting must not outlive its transaction; both go in one round trip."""
        with connection.pipeline(), connection.transaction():
            connection.execute(self._set_lock_wait)
            cursor = connection.execute(statement.sql, parameters)
        return statement.rows(cursor)

    @property
    def _set_lock_wait(self) -> sql.SQL:
        return sql.SQL(f"set local lock_timeout = {int((self._lock_wait or 0) * 1000)}")

    def _gives_up_on(self, error: psycopg.Error) -> bool:
        """Whether a lock that others hold is for the caller to deal with."""
        return self._lock_wait is not None and isinstance(error, pg.LockNotAvailable)

    def _open(self) -> psycopg.Connection[Any]:
        options: dict[str, Any] = {"prepare_threshold": None if self._settings.database_pooled else 2}
        if not self._settings.database_pooled:
            chosen = [INDEXED, IDLE, *([] if self._durable else [HASTY])]
            if self._lock_wait is not None:
                chosen.append(f"-c lock_timeout={int(self._lock_wait * 1000)}ms")
            options["options"] = " ".join(chosen)
        try:
            return _Connection.connect(
                address(self._settings.database_url),
                autocommit=True,
                connect_timeout=CONNECT_TIMEOUT,
                keepalives_idle=10,
                keepalives_interval=3,
                keepalives_count=3,
                tcp_user_timeout=15_000,
                application_name="pumice",
                **options,
            )
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            raise StoreAwayError(explain(error)) from error


class Transaction:
    """A transaction that is open on a connection."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def fetch(self, statement: Statement[RowT], parameters: Parameters = ()) -> list[RowT]:
        """Run one statement of the transaction and return its rows."""
        return _fetch(self._connection, statement, parameters)

    def savepoint(self) -> AbstractContextManager[Any]:
        """A part of the transaction that may fail without the rest of it: what it did is undone then."""
        return self._connection.transaction()

    def finds(self, query: bytes, parameters: Parameters) -> bool:
        """Whether a query that was composed for its parameters returns a row."""
        return self._connection.execute(query, parameters).fetchone() is not None

    def values(self, query: bytes, parameters: Parameters) -> list[Any]:
        """The first column of a query that was composed for its parameters."""
        return [row[0] for row in self._connection.execute(query, parameters).fetchall()]


class StoreConnections:
    """Up to `size` connections that threads borrow and give back; a borrower waits a while when all are lent."""

    def __init__(self, settings: Settings, size: int, *, durable: bool = True, lock_wait: float | None = None) -> None:
        self._settings = settings
        self._durable = durable
        self._lock_wait = lock_wait
        self._free: list[StoreConnection] = []
        self._size = size
        self._places = threading.BoundedSemaphore(size)

    @contextmanager
    def borrow(self) -> Iterator[StoreConnection]:
        """Lend a connection. Raises `StoreBusyError` when none comes back in time."""
        if not self._places.acquire(timeout=PATIENCE):
            raise StoreBusyError(f"All {self._size} connections to Postgres were in use for {PATIENCE:.0f} s.")
        try:
            store = self._free.pop() if self._free else self._make()
            try:
                yield store
            finally:
                self._free.append(store)
        finally:
            self._places.release()

    def _make(self) -> StoreConnection:
        return StoreConnection(self._settings, durable=self._durable, lock_wait=self._lock_wait)

    def close(self) -> None:
        """Close the connections that are free."""
        while self._free:
            self._free.pop().close()


def _fetch(connection: psycopg.Connection[Any], statement: Statement[RowT], parameters: Parameters) -> list[RowT]:
    return statement.rows(connection.execute(statement.sql, parameters))
