"""What a contender's Postgres says happened. All that use it have the same words for tables and columns."""

import base64
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import psycopg

from tests.bench.verify.truth import Truth

ORDER = """
    with turns as (
        select session_id, {order} as place,
               (jsonb_path_query_first(result::jsonb, '$.**.position'))::bigint as position
        from interactions where kind = 'hook'
    ), history as (
        select place, position, max(place) over (
            partition by session_id order by position rows between unbounded preceding and 1 preceding
        ) as latest_before
        from turns
    )
    select count(*), count(*) filter (where position is null), count(*) filter (where place < latest_before)
    from history
"""
"""Turns, those that left no position, and those that ran after a turn which was accepted later."""

DOUBLED = """
    select count(*) from (
        select 1 from interactions where kind = 'hook'
        group by session_id, jsonb_path_query_first(result::jsonb, '$.**.position') having count(*) > 1
    ) as repeated
"""
"""Positions in a session's history that two turns claim: one of them worked on a state that it did not own."""

COPIES = """
    insert into {table} overriding system value
    select copy.* from {table} as model, generate_series(1, %s) as n,
    lateral jsonb_populate_record(model, {changes}) as copy
    where model.id = %s
"""
"""More rows like one that the contender has written itself."""


class PostgresTruth(Truth):
    """Reads, fills and empties a contender's tables; `order` is the column that numbers interactions as accepted."""

    def __init__(self, connection: psycopg.Connection, order: str) -> None:
        self.connection = connection
        self.order = order

    @classmethod
    @contextmanager
    def on(cls, database_url: str, order: str) -> Iterator["PostgresTruth"]:
        """Open the tables, emptied of what an earlier workload left."""
        with psycopg.connect(database_url, autocommit=True) as connection:
            truth = cls(connection, order)
            truth.empty()
            yield truth

    def value(self, statement: str, *parameters: Any) -> Any:
        """Return the first column of the first row."""
        row = self.connection.execute(statement, parameters).fetchone()
        return row[0] if row else None

    def checkpoint(self) -> None:
        """Write out what earlier work left dirty."""
        self.connection.execute("checkpoint")

    def empty(self) -> None:
        """Remove every session and whatever belongs to one."""
        names = self.connection.execute(
            "select tablename from pg_tables where schemaname = 'public' and tablename = any(%s)",
            (["sessions", "interactions", "messages", "ticks", "snapshots"],),
        ).fetchall()
        self.connection.execute(f"truncate {', '.join(name for (name,) in names)} cascade")

    def unfinished(self, total: int) -> int:
        """Count those that are queued: whatever was acknowledged is stored."""
        return self.queued()

    def queued(self) -> int:
        """Count the interactions that have not been done."""
        return int(self.value("select count(*) from interactions where status = 'queued'"))

    def problems_with_events(self, accepted: int) -> list[str]:
        """Compare what is stored with the number of webhook events that were acknowledged."""
        statuses: dict[str, int] = dict(
            self.connection.execute(
                "select status, count(*) from interactions where kind = 'hook' group by status"
            ).fetchall()
        )
        found = []
        if statuses != {"done": accepted}:
            found.append(f"{accepted} events acknowledged, stored are {statuses}")
        effects = self.counted()
        if effects != accepted:
            found.append(f"{accepted} events acknowledged, {effects} counted in states")
        if doubled := self.value(DOUBLED):
            found.append(f"{doubled} positions taken twice")
        return found

    def counted(self) -> int:
        """Return how many events the sessions' states have counted."""
        return int(self.value("select coalesce(sum((state->>'count')::bigint), 0) from sessions"))

    def out_of_order(self) -> float:
        """Tell it from the positions that turns have left; NaN where one left none."""
        row = self.connection.execute(ORDER.format(order=self.order)).fetchone()
        total, unknown, late = row or (0, 0, 0)
        return float("nan") if unknown or not total else late / total

    def copy_sessions(self, model: str, count: int, name: str = "s") -> None:
        """Add sessions s1 to s`count`, or of another name before the number, like the session `model`."""
        changes = f"jsonb_build_object('id', '{name}' || n)"
        self.connection.execute(COPIES.format(table="sessions", changes=changes), (count, model))

    def copy_interactions(self, count: int, sessions: int) -> None:
        """Add finished interactions like the only one that is stored, dealt in turn to sessions s0 and up."""
        model = self.value("select id from interactions")
        changes = f"jsonb_build_object('id', uuidv7(), 'session_id', 's' || n %% {sessions}, '{self.order}', -n)"
        statement = COPIES.format(table="interactions", changes=changes)
        self.connection.execute(statement, (count, model))

    def vacuum(self) -> None:
        """Leave the tables as autovacuum would."""
        self.connection.execute("vacuum analyze")

    def ticks(self) -> dict[int, int]:
        """Return how many sessions have counted how many ticks."""
        statement = "select coalesce((state->>'ticks')::int, 0), count(*) from sessions group by 1"
        return dict(self.connection.execute(statement).fetchall())

    def tables(self) -> dict[str, tuple[int, ...]]:
        """Return by table: bytes with indexes, live rows, dead rows, updates, and those that touched no index."""
        rows = self.connection.execute(
            "select relname, pg_total_relation_size(relid), n_live_tup, n_dead_tup, n_tup_upd, n_tup_hot_upd "
            "from pg_stat_user_tables where relname in ('sessions', 'interactions')"
        ).fetchall()
        return {name: tuple(numbers) for name, *numbers in rows}

    def bare_updates(self, size: int, rows: int = 100, seconds: float = 3.0) -> float:
        """Return how often in a second one connection can replace a state of so many bytes, a commit each."""
        connection = self.connection
        connection.execute("create table bare (id int primary key, state jsonb)")
        texts = [base64.b64encode(os.urandom(size * 3 // 4)).decode() for _ in range(rows)]
        pads = [orjson.dumps({"pad": text}).decode() for text in texts]
        for number, pad in enumerate(pads):
            connection.execute("insert into bare values (%s, %s)", (number, pad))
        done, started = 0, time.monotonic()
        while time.monotonic() - started < seconds:
            connection.execute("update bare set state = %s where id = %s", (pads[(done + 1) % rows], done % rows))
            done += 1
        rate = done / (time.monotonic() - started)
        connection.execute("drop table bare")
        return rate

    def wal_bytes(self) -> int:
        """Return how much the server has ever written ahead."""
        return int(self.value("select pg_current_wal_lsn() - '0/0'::pg_lsn"))
