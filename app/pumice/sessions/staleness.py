"""Bringing states up to date in SQL: a large one may stand in its row only as a difference (see `SessionRow`)."""

from typing import NamedTuple

from pumice.sessions.connections import StoreConnection
from pumice.sessions.deltas import apply, unpack
from pumice.sessions.parameters import Blob, json_rows
from pumice.sessions.statements import Statement

BATCH = 50


class _Stale(NamedTuple):
    id: str
    version: int
    base: bytes | None
    state_delta: bytes | None


class _Fresh(NamedTuple):
    id: str


FIND = Statement(
    "find_stale_states",
    """
select id, version, base, state_delta from sessions
where agent_id = %(agent)s and stale and id > %(after)s order by id limit %(limit)s
""",
    _Stale,
)
"""States that are told as differences."""

FRESHEN = Statement(
    "write_stale_states",
    """
update sessions s set state = convert_from(substring(%(states)b::bytea from f.at for f.size), 'UTF8')::json,
  base = null, keyframe = null, state_delta = null, stale = false
from json_to_recordset(%(rows)s::json) as f(id text, version bigint, at int, size int)
where s.agent_id = %(agent)s and s.id = f.id and s.version = f.version and s.stale and s.lease_token is null
returning s.id
""",
    _Fresh,
)
"""Writes them in full, where no turn has run meanwhile and none runs. The next turn makes a new keyframe."""


def refresh_stale(store: StoreConnection, agent_id: str) -> int:
    """Have SQL see the states of an agent's sessions as they are. Returns how many were written.

    A session in the middle of a turn stays as it is: its state is about to change. Raises `StoreAwayError`.
    """
    after, written = "", 0
    while rows := store.fetch(FIND, {"agent": agent_id, "after": after, "limit": BATCH}):
        blob, fresh = Blob(), []
        for row in rows:
            at, size = blob.add(apply(unpack(row.base or b""), row.state_delta or b""))
            fresh.append({"id": row.id, "version": row.version, "at": at, "size": size})
        options = {"agent": agent_id, "states": blob.value, "rows": json_rows(fresh)}
        written += len(store.fetch(FRESHEN, options))
        after = rows[-1].id
    return written
