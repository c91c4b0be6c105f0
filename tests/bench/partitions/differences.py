"""What a schema changes beside its speed: which repeats are known, who waits for whom, what forgetting a day takes."""

import time
from contextlib import closing
from typing import LiteralString

from psycopg import errors

from pumice.sessions.accept import temporary_session_id
from pumice.sessions.connections import StoreConnection
from pumice.sessions.retention import OldInteractions
from tests.bench.partitions.tables import Tables, interaction
from tests.bench.stack.usage import Meter

HALF_A_DAY = 43_200.0
TWO_DAYS = b"""
create temporary table made as select * from interactions;
truncate interactions;
insert into interactions (id, agent_id, session_id, seq, kind, name, payload, body, dedupe_source, dedupe_key, status,
  result, attempts, accepted_at, finished_at, point, keyframe, delta)
overriding system value
select uuidv7(interval '-1 day'), agent_id, session_id, seq, kind, name, payload, body, dedupe_source,
  'old ' || dedupe_key, status, result, attempts, accepted_at - interval '1 day', finished_at - interval '1 day', point,
  keyframe, delta
from made;
insert into interactions overriding system value select * from made
"""
"""Writes every interaction anew, after another of each that is a day older."""
HOLDERS: dict[str, LiteralString] = {
    "accept waits for a row held `for update`": "select from sessions where id = 's1' for update",
    "accept waits for a commit": "update sessions set version = version where id = 's1'",
}


def repeats(tables: Tables) -> dict[str, bool]:
    """Which repeats the unique indexes know."""
    old = tables.one("select uuidv7(interval '-1 day')::text")[0]
    tables.accept(interaction("s1", "a"), interaction("s1", "b", id=old))
    tables.view.execute("update interactions set accepted_at = now() - interval '1 day' where dedupe_key = 'b'")
    unnamed = [interaction(temporary_session_id(), "c", unnamed=True, temporary=True) for _ in range(2)]
    tables.accept(unnamed[0])
    return {
        "repeat known": not tables.accept(interaction("s1", "a")),
        "… without a session": not tables.accept(unnamed[1]),
        "… on the next day": not tables.accept(interaction("s1", "b")),
    }


def waits(tables: Tables) -> dict[str, bool]:
    """Whether an accept waits for who holds its session's row, and a claim passes over a session for an accept."""
    found = {}
    with closing(StoreConnection(tables.settings, lock_wait=0.3)) as hasty:
        for what, statement in HOLDERS.items():
            with tables.view.transaction():
                tables.view.execute(statement)
                try:
                    found[what] = not tables.accept(interaction("s1", what), store=hasty)
                except errors.LockNotAvailable:
                    found[what] = True
    tables.accept(interaction("s2", "other"))
    with closing(StoreConnection(tables.settings)) as other, other.transaction():
        tables.accept(interaction("s1", "more"), store=other)
        claimed = {one.lease.session_id for one in tables.claim(["s1", "s2"])}
    return {**found, "claim passes over a session for an accept": "s1" not in claimed}


def forget(tables: Tables) -> dict[str, float]:
    """Delete a day's interactions: by dropping their partition, or as the sweep does it."""
    tables.view.execute(TWO_DAYS)
    tables.view.execute("vacuum analyze interactions")
    before = tables.sizes()
    meter, written, began = Meter({"postgres": [tables.postmaster]}), tables.wal(), time.perf_counter()
    if tables.schema.dropped:
        tables.view.execute(f"alter table interactions detach partition {tables.schema.dropped} concurrently".encode())
        tables.view.execute(f"drop table {tables.schema.dropped}".encode())
    else:
        sweeper, more = OldInteractions(HALF_A_DAY, HALF_A_DAY), True
        while more:
            with tables.store.transaction() as transaction:
                _, more = sweeper.sweep(transaction)
    seconds, cpu, written = time.perf_counter() - began, meter.read().seconds["postgres"], tables.wal() - written
    after = tables.sizes()
    began = time.perf_counter()
    tables.view.execute("vacuum interactions")
    vacuum = time.perf_counter() - began
    return {
        "a day forgotten in ms": 1000 * seconds,
        "CPU, ms": 1000 * cpu,
        "WAL, kB": written / 1000,
        "MB before": sum(before[:2]),
        "MB after": sum(after[:2]),
        "dead rows": after[2],
        "vacuum, ms": 1000 * vacuum,
        "MB after it": sum(tables.sizes()[:2]),
    }
