"""The schemas that `tests.bench.partitions` compares: each is made by SQL from the one that the migrations make."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, NamedTuple

import psycopg

from pumice.sessions.accept import ACCEPT
from pumice.sessions.commit import HELD, HOLD, KEEP, READ, SAVE
from pumice.sessions.statements import Statement

Connection = psycopg.Connection[Any]
HASHES = 8
SESSION = ("agent_id", "session_id")
DAYS = (-1, 0, 1)
"""The days that have a partition, from yesterday on: a run may go past midnight."""
COLUMNS = re.compile(r"(?<=USING btree \()[^()]*(?=\))")
PARTITIONED: LiteralString = """
create table interactions (like plain including defaults including constraints including identity) partition by """
FOREIGN_KEY: LiteralString = """
alter table interactions add foreign key (agent_id, session_id) references sessions (agent_id, id)
"""
COUNTED: LiteralString = """
alter table sessions add column last_seq bigint not null default 0;
alter table interactions alter column seq drop identity
"""


class _Inserted(NamedTuple):
    id: str


class _Held(NamedTuple):
    agent_id: str
    id: str
    token: int


ACCEPT_COUNTED = Statement(
    "bench_accept_counted",
    """
with incoming as (
  select * from json_to_recordset(%(rows)s::json) as i(place int, id uuid, agent_id text, session_id text, kind text,
    name text, payload text, body_at int, body_size int, source text, key text, unnamed boolean, fingerprint text,
    temporary boolean, reply_to text)
), made as (
  insert into sessions (agent_id, id, temporary, expires_at, last_seq)
  select agent_id, session_id, bool_and(temporary),
    case when bool_and(temporary) then now() + %(ttl)s * interval '1 second' end, count(*)
  from incoming i
  where not unnamed or key is null or not exists (select from interactions d where d.agent_id = i.agent_id
    and d.dedupe_source = i.source and d.dedupe_key = i.key and d.dedupe_unnamed)
  group by agent_id, session_id order by agent_id, session_id
  on conflict (agent_id, id) do update set last_seq = sessions.last_seq + excluded.last_seq
  returning agent_id, id, last_seq
), counted as (
  select jsonb_object_agg(agent_id || '/' || id, last_seq) as last from made
)
insert into interactions (id, seq, agent_id, session_id, kind, name, payload, body, dedupe_source, dedupe_key,
  dedupe_unnamed, fingerprint, wake_at, reply_to)
select id, coalesce(((select last from counted) ->> (agent_id || '/' || session_id))::bigint, 0)
    + 1 - row_number() over (partition by agent_id, session_id order by place desc),
  agent_id, session_id, kind, name, payload::json, substring(%(bodies)b::bytea from body_at for body_size), source,
  key, case when unnamed and key is not null then true end, fingerprint, now() + %(grace)s * interval '1 second',
  reply_to
from incoming order by place
on conflict do nothing
returning id::text
""",
    _Inserted,
)
"""`ACCEPT`, but for the order number: it is counted on the session's row, which is therefore locked and written.

A document finds the number of a session: hot statements are planned without hash joins, and a loop over both took a
seventh of the accepts per second."""

SAVE_KEYED = SAVE.replace(
    "where i.id = f.id and", "where i.id = f.id and i.agent_id = h.agent_id and i.session_id = h.id and"
)
COMMIT_KEYED = {
    False: Statement("bench_commit_keyed", READ + HOLD + SAVE_KEYED + HELD, _Held),
    True: Statement("bench_commit_keyed_points", READ + HOLD + SAVE_KEYED + KEEP + HELD, _Held),
}
"""The commit that also names each interaction's session, so that Postgres looks in one partition. By whether there are
keyframes."""


@dataclass(frozen=True)
class Schema:
    """A schema: what makes it, and the statements that it needs instead of the project's.

    dropped: the partition of yesterday, which retention may drop.
    """

    name: str
    make: Callable[[Connection], object]
    accept: Statement[Any] = ACCEPT
    commit: dict[bool, Statement[_Held]] | None = None
    dropped: str | None = None


def holding(definition: str, key: tuple[str, ...]) -> str:
    """An index's definition with those of the key's columns added that it lacks."""

    def complete(found: re.Match[str]) -> str:
        columns = found[0].split(", ")
        return ", ".join([*columns, *(column for column in key if column not in columns)])

    return COLUMNS.sub(complete, definition, count=1)


def on_partition(definition: str, number: int) -> str:
    """The definition of the same index on one partition alone."""
    return re.sub(r"INDEX (\S+) ON (\S+)", rf"INDEX \1_{number} ON \2_{number}", definition, count=1)


def by_hash(connection: Connection) -> None:
    """Partitions by session. Unique indexes must hold the key, so they are unique within a session only."""
    indexes = _partitioned(connection, "hash (agent_id, session_id)")
    for number in range(HASHES):
        bound = f"with (modulus {HASHES}, remainder {number})"
        connection.execute(f"create table interactions_{number} partition of interactions for values {bound}".encode())
    for definition in indexes:
        unique = definition.startswith("CREATE UNIQUE")
        connection.execute((holding(definition, SESSION) if unique else definition).encode())


def by_day(connection: Connection) -> None:
    """Partitions by the day of acceptance. Each has unique indexes of its own: with the time in them, all is unique."""
    _by_range(connection, "accepted_at", lambda day: day.isoformat())


def by_id(connection: Connection) -> None:
    """Partitions by the time in the id. The primary key is the key, so an id is found, and unique, without the day."""
    _by_range(connection, "id", lambda day: f"{int(1000 * day.timestamp()):012x}".ljust(32, "0"))


def _by_range(connection: Connection, column: str, bound: Callable[[datetime], str]) -> None:
    indexes = _partitioned(connection, f"range ({column})")
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for number, day in enumerate(DAYS):
        first, last = (bound(midnight + timedelta(days=one)) for one in (day, day + 1))
        span = f"from ('{first}') to ('{last}')"
        connection.execute(f"create table interactions_{number} partition of interactions for values {span}".encode())
    for definition in indexes:
        alone = definition.startswith("CREATE UNIQUE") and holding(definition, (column,)) != definition
        for one in [on_partition(definition, number) for number in range(len(DAYS))] if alone else [definition]:
            connection.execute(one.encode())


def _partitioned(connection: Connection, method: LiteralString) -> list[str]:
    """Put an empty partitioned table in the place of `interactions`. Returns the definitions of its indexes."""
    rows = connection.execute("select indexdef from pg_indexes where tablename = 'interactions'").fetchall()
    connection.execute("alter table interactions rename to plain")
    connection.execute(PARTITIONED + method)
    connection.execute("drop table plain")
    return [row[0] for row in rows]


SCHEMAS = (
    Schema("today", lambda _connection: None),
    Schema("hash", by_hash),
    Schema("hash, keyed commit", by_hash, commit=COMMIT_KEYED),
    Schema("time", by_day, dropped="interactions_0"),
    Schema("time in the id", by_id, dropped="interactions_0"),
    Schema("foreign key", lambda connection: connection.execute(FOREIGN_KEY)),
    Schema("seq per session", lambda connection: connection.execute(COUNTED), accept=ACCEPT_COUNTED),
)
