"""A database with one of the schemas, and what fronts and workers do on it, without fronts and workers."""

import base64
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psutil
import psycopg

from pumice.agents.context import new_id
from pumice.agents.turn import Outcome
from pumice.dev.postgres import Postgres
from pumice.sessions.accept import WAKE_GRACE, NewInteraction, accept_rows
from pumice.sessions.claim import ClaimedSession, Wanted, claim
from pumice.sessions.commit import commit
from pumice.sessions.commit_rows import CommitRows, EndedTurn, SessionCommit
from pumice.sessions.connections import StoreConnection
from pumice.sessions.point_writer import PointWriter
from pumice.settings import Settings
from tests.bench.partitions.schemas import Schema
from tests.support.databases import database

TEMPLATE, AGENT = "migrated", "bench"
TTL, LEASE = 60.0, 10.0
PAD = base64.b64encode(os.urandom(768)).decode()
REQUEST = json.dumps({"method": "POST", "path": "/event", "query": "", "headers": {"user-agent": "x" * 150}})
SIZES = """
select sum(pg_table_size(oid)) / 1e6, sum(pg_indexes_size(oid)) / 1e6, sum(pg_stat_get_dead_tuples(oid))
from pg_class where relname ~ '^interactions(_\\d+)?$' and relkind = 'r'
"""


class Tables:
    """A connection as workers have it, and another that looks at the tables."""

    def __init__(self, url: str, schema: Schema) -> None:
        self.schema = schema
        self.settings = Settings.from_env({"DATABASE_URL": url})
        self.store = StoreConnection(self.settings)
        self.view: psycopg.Connection[Any] = psycopg.connect(url, autocommit=True)
        schema.make(self.view)
        self.postmaster = psutil.Process(self.view.info.backend_pid).ppid()
        self._token = 0

    def close(self) -> None:
        """Close both connections."""
        self.store.close()
        self.view.close()

    def one(self, query: str) -> tuple[Any, ...]:
        """The only row of a query."""
        row: tuple[Any, ...] = self.view.execute(query.encode()).fetchall()[0]
        return row

    def wal(self) -> float:
        """Bytes of write-ahead log since the cluster was made."""
        return float(self.one("select pg_current_wal_insert_lsn() - '0/0'")[0])

    def sizes(self) -> tuple[float, float, int]:
        """MB of the table and of its indexes, and rows that are dead."""
        for connection in (self.store.connection, self.view):  # each counts for itself, and tells it now and then
            connection.execute("select pg_stat_force_next_flush()")
        table, indexes, dead = self.one(SIZES)
        return float(table), float(indexes), int(dead)

    def accept(self, *wanted: NewInteraction, store: StoreConnection | None = None) -> int:
        """Accept as a front does. Returns how many were new."""
        return len((store or self.store).fetch(self.schema.accept, accept_rows(wanted, TTL, WAKE_GRACE)))

    def claim(self, sessions: Sequence[str]) -> list[ClaimedSession]:
        """Claim as a worker does."""
        self._token += 1
        wanted = [Wanted(AGENT, session) for session in sessions]
        return claim(self.store, wanted, token=self._token, worker_id=1, lease_seconds=LEASE)

    def commit(self, sessions: list[SessionCommit]) -> None:
        """Commit as a worker does."""
        if self.schema.commit is None:
            commit(self.store, sessions, temporary_ttl=TTL, lease_seconds=LEASE)
            return
        rows = CommitRows.of(sessions)
        options = {"ttl": TTL, "lease": LEASE, "grace": WAKE_GRACE}
        self.store.fetch(self.schema.commit[rows.has_points], rows.parameters() | options)


@contextmanager
def fresh(server: Postgres, schema: Schema) -> Iterator[Tables]:
    """Empty tables of this schema, in a database of their own."""
    with database(server.url(), TEMPLATE) as name, closing(Tables(server.url(name), schema)) as tables:
        yield tables


def interaction(session: str, key: str, **fields: Any) -> NewInteraction:
    """A webhook, with a delivery id by which its repeat is known."""
    body = json.dumps({"session": session, "n": key}).encode()
    given = {"id": new_id(), "agent_id": AGENT, "session_id": session, "kind": "hook", "name": "event"}
    return NewInteraction(**{**given, "payload": REQUEST, "body": body, "dedupe": ("event", key), **fields})


def turns(claimed: ClaimedSession) -> SessionCommit:
    """What a handler that counts leaves: a state of 1 kB and a result for each interaction."""
    state: dict[str, Any] = json.loads(claimed.state) if claimed.state else {"count": 0, "pad": PAD}
    points, ended = PointWriter(claimed, keeps=True), []
    for work in claimed.work:
        state["count"] += 1
        outcome = Outcome(work, result=json.dumps({"position": state["count"]}), state=json.dumps(state))
        ended.append(EndedTurn(outcome, 0.01, 0.01, points.add(outcome)))
    return SessionCommit(claimed.lease, claimed.version, release=True, turns=ended, keep=1_000)
