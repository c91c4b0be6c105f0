"""Bringing states up to date in SQL: a large one may stand in its row only as a difference (see `SessionRow`)."""

from collections.abc import Sequence
from typing import NamedTuple

from pumice.sessions.connections import StoreConnection, Transaction
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

FIND_ONE = Statement(
    "find_stale_state",
    """
select id, version, base, state_delta from sessions where agent_id = %(agent)s and id = %(session)s and stale
""",
    _Stale,
)
"""One session's state, if it is told as a difference."""

FRESHEN = Statement(
    "write_stale_states",
    """
update sessions s set state = convert_from(substring(%(states)b::bytea from f.at for f.size), 'UTF8')::json,
  base = case when s.lease_token is not null then s.base end,
  keyframe = case when s.lease_token is not null then s.keyframe end,
  state_delta = case when s.lease_token is not null then s.state_delta end,
  stale = s.lease_token is not null
from json_to_recordset(%(rows)s::json) as f(id text, version bigint, at int, size int)
where s.agent_id = %(agent)s and s.id = f.id and s.version = f.version and s.stale and (s.lease_token is null
  or s.state::text is distinct from convert_from(substring(%(states)b::bytea from f.at for f.size), 'UTF8'))
returning s.id
""",
    _Fresh,
)
"""Writes them in full, where no turn has run meanwhile. The next turn makes a new keyframe.

Where a turn runs, it will be told as a difference from the keyframe that the worker has: that stays, and the session
stale; only the state that SQL sees is made what it is now.
"""


def refresh_stale(store: StoreConnection, agent_id: str) -> int:
    """Have SQL see the states of an agent's sessions as they are. Returns how many were written.

    Those in the middle of a turn are seen as they were before it. Raises `StoreAwayError`.
    """
    after, written = "", 0
    while rows := store.fetch(FIND, {"agent": agent_id, "after": after, "limit": BATCH}):
        written += len(store.fetch(FRESHEN, _in_full(agent_id, rows)))
        after = rows[-1].id
    return written


def refresh_one(transaction: Transaction, agent_id: str, session_id: str) -> None:
    """Have SQL see one session's state as it is, whose row this transaction has locked."""
    rows = transaction.fetch(FIND_ONE, {"agent": agent_id, "session": session_id})
    if rows:
        transaction.fetch(FRESHEN, _in_full(agent_id, rows))


def _in_full(agent_id: str, rows: Sequence[_Stale]) -> dict[str, object]:
    """These states, as parameters of `FRESHEN`."""
    blob, fresh = Blob(), []
    for row in rows:
        at, size = blob.add(apply(unpack(row.base or b""), row.state_delta or b""))
        fresh.append({"id": row.id, "version": row.version, "at": at, "size": size})
    return {"agent": agent_id, "states": blob.value, "rows": json_rows(fresh)}
