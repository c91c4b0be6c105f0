"""Snapshots: points that have a name. Making one copies what tells the point, however long the history is."""

from datetime import datetime
from typing import Any, NamedTuple

import orjson
from psycopg import errors as pg

from pumice.agents.names import RESERVED_PREFIX
from pumice.errors import Conflict, UnknownPoint
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.conversation import length, parts_of
from pumice.sessions.keyframes import hold, pin
from pumice.sessions.points import Point, resolve
from pumice.sessions.statements import Statement


class Snapshot(NamedTuple):
    """A point that has a name."""

    name: str
    note: str | None
    interaction_id: str | None
    point: int
    transcript: list[list[int]] | None
    history_start: int
    message_count: int
    code_version: str | None
    created_at: datetime

    @property
    def messages(self) -> int:
        """How many messages the conversation had."""
        return length(parts_of(self.transcript, self.history_start, self.message_count))


class NewSnapshot(NamedTuple):
    """A name for a point, with a note."""

    name: str
    note: str | None = None


class _Name(NamedTuple):
    name: str


INSERT = Statement(
    "insert_snapshot",
    """
insert into snapshots (agent_id, session_id, name, note, interaction_id, point, keyframe, delta, state_version,
  code_version, history_start, message_count, transcript)
values (%(agent)s, %(session)s, %(name)s, %(note)s, %(interaction)s::uuid, %(point)s, %(keyframe)s, %(delta)b,
  %(state_version)s, %(code_version)s, %(history_start)s, %(message_count)s, %(transcript)s::json)
returning name, note, interaction_id::text as interaction_id, point, transcript, history_start, message_count,
  code_version, created_at
""",
    Snapshot,
)
"""Names a point."""

LIST = Statement(
    "list_snapshots",
    """
select name, note, interaction_id::text as interaction_id, point, transcript, history_start, message_count,
  code_version, created_at
from snapshots
where agent_id = %(agent)s and session_id = %(session)s and name > %(after)s and name not like '$%%'
order by name limit %(limit)s
""",
    Snapshot,
)
"""A page of a session's snapshots, by name; not where forks began."""

READ = Statement(
    "read_snapshot",
    """
select name, note, interaction_id::text as interaction_id, point, transcript, history_start, message_count,
  code_version, created_at
from snapshots where agent_id = %(agent)s and session_id = %(session)s and name = %(name)s
""",
    Snapshot,
)
"""One snapshot."""

DELETE = Statement(
    "delete_snapshot",
    "delete from snapshots where agent_id = %(agent)s and session_id = %(session)s and name = %(name)s returning name",
    _Name,
)
"""Forgets a name. Its point goes when it is pruned."""


def take(
    store: StoreConnection, agent_id: str, session_id: str, new: NewSnapshot, *, at: str | None = None
) -> Snapshot:
    """Name a point of a session.

    Raises `UnknownSession`, `UnknownPoint`, `PrunedPoint`, `Conflict`, `StoreAwayError`.
    """
    with store.transaction() as transaction:
        hold(transaction, agent_id, session_id)
        found = resolve(transaction, agent_id, session_id, at)
        point = pin(transaction, agent_id, session_id, found)
        return insert(transaction, agent_id, session_id, new, point)


def insert(transaction: Transaction, agent_id: str, session_id: str, new: NewSnapshot, point: Point) -> Snapshot:
    """Name a point whose keyframe is the session's own. Raises `Conflict` for a name that the session has already."""
    options: dict[str, Any] = {
        "agent": agent_id,
        "session": session_id,
        "name": new.name,
        "note": new.note,
        "interaction": point.interaction_id,
        "point": point.point,
        "keyframe": point.keyframe,
        "delta": point.delta,
        "state_version": point.state_version,
        "code_version": point.code_version,
        "history_start": point.history_start,
        "message_count": point.message_count,
        "transcript": None if point.transcript is None else orjson.dumps(point.transcript).decode(),
    }
    try:
        return transaction.fetch(INSERT, options)[0]
    except pg.UniqueViolation:
        raise Conflict(f"There is a snapshot {new.name!r} already.") from None


def list_(store: StoreConnection, agent_id: str, session_id: str, *, after: str, limit: int) -> list[Snapshot]:
    """Snapshots in the order of their names. Raises `StoreAwayError`."""
    return store.fetch(LIST, {"agent": agent_id, "session": session_id, "after": after, "limit": limit}, again=True)


def read(store: StoreConnection, agent_id: str, session_id: str, name: str) -> Snapshot:
    """One snapshot. Raises `UnknownPoint`, `StoreAwayError`."""
    found = [] if _is_own(name) else store.fetch(READ, {"agent": agent_id, "session": session_id, "name": name})
    if not found:
        raise UnknownPoint(f"There is no snapshot {name!r}.")
    return found[0]


def delete(store: StoreConnection, agent_id: str, session_id: str, name: str) -> None:
    """Forget a snapshot. Raises `UnknownPoint`, `StoreAwayError`."""
    if _is_own(name) or not store.fetch(DELETE, {"agent": agent_id, "session": session_id, "name": name}):
        raise UnknownPoint(f"There is no snapshot {name!r}.")


def _is_own(name: str) -> bool:
    """Whether a name is one of Pumice's own, or can't be one."""
    return name.startswith(RESERVED_PREFIX) or "\x00" in name
