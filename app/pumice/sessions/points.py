"""How a session stood: now, after one of its interactions, or at a snapshot.

A fork has the points of its ancestors up to where it began, also when they were deleted since.
"""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pumice.agents.names import UUID_FORM
from pumice.errors import PrunedPoint, UnknownPoint, UnknownSession
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.conversation import Part, length, parts_of
from pumice.sessions.deltas import apply, unpack
from pumice.sessions.point_writer import NO_STATE
from pumice.sessions.statements import Statement

UUID7 = re.compile(r".{14}7.*")


class _Row(NamedTuple):
    id: str
    line: int | None
    parent_line: int | None
    parent_point: int | None
    version: int
    state: str | None
    state_delta: bytes | None
    base: bytes | None
    keyframe: int | None
    state_version: int
    code_version: str | None
    transcript: list[list[int]] | None
    history_start: int
    message_count: int
    created_at: datetime
    lease_token: int | None
    temporary: bool
    newest: str | None


class _Point(NamedTuple):
    session_id: str
    name: str | None
    interaction_id: str | None
    status: str | None
    point: int | None
    keyframe: int | None
    delta: bytes | None
    state_version: int | None
    code_version: str | None
    transcript: list[list[int]] | None
    history_start: int | None
    message_count: int | None
    at: datetime | None


class _Keyframe(NamedTuple):
    data: bytes


class _Since(NamedTuple):
    since: datetime | None


SESSION = """
select s.id, s.line, s.parent_line, s.parent_point, s.version, s.state::text as state,
  case when s.stale then s.state_delta end as state_delta, case when s.stale then s.base end as base, s.keyframe,
  s.state_version, s.code_version, s.transcript, s.history_start, s.message_count, s.created_at, s.lease_token,
  s.temporary,
  (select i.id::text from interactions i where i.agent_id = s.agent_id and i.session_id = s.id and i.point = s.version
    order by i.point desc limit 1) as newest
from sessions s
"""
BY_ID = Statement(
    "read_point_now", SESSION + " where s.agent_id = %(agent)s and s.id = %(session)s and s.deleted_at is null", _Row
)
"""A session as it stands now."""

BY_LINE = Statement("read_ancestor", SESSION + " where s.agent_id = %(agent)s and s.line = %(line)s", _Row)
"""An ancestor, deleted or not."""

BY_INTERACTION = Statement(
    "read_point_of_interaction",
    """
select i.session_id, null::text as name, i.id::text as interaction_id, i.status, i.point, i.keyframe, i.delta,
  i.state_version, i.code_version, i.transcript, i.history_start, i.message_count, i.finished_at as at
from interactions i where i.id = %(id)s::uuid and i.agent_id = %(agent)s
""",
    _Point,
)
"""The point that an interaction left."""

BY_NAME = Statement(
    "read_point_of_snapshot",
    """
select n.session_id, n.name, n.interaction_id::text as interaction_id, 'done' as status, n.point, n.keyframe, n.delta,
  n.state_version, n.code_version, n.transcript, n.history_start, n.message_count, n.created_at as at
from snapshots n where n.agent_id = %(agent)s and n.session_id = %(session)s and n.name = %(name)s
""",
    _Point,
)
"""The point that a snapshot names."""

KEYFRAME = Statement(
    "read_keyframe",
    "select data from keyframes where agent_id = %(agent)s and session_id = %(session)s and id = %(id)s",
    _Keyframe,
)
"""A state in full, compressed."""

SINCE = Statement(
    "read_oldest_point",
    """
select (select i.finished_at from interactions i
  where i.agent_id = %(agent)s and i.session_id = %(session)s and i.point is not null and i.keyframe is not null
  order by i.point limit 1) as since
""",
    _Since,
)
"""Since when a session's points are kept."""


@dataclass(frozen=True, slots=True)
class Point:
    """How a session stood. `state` is JSON text, None before `setup`.

    session_id: the session whose messages are line 0 of its conversation: an ancestor's name at an ancestor's point.
    keyframe, delta: where the state is told, in `session_id`; none for now, where `state` was read from the session.
    """

    session_id: str
    point: int
    state: str | None
    state_version: int
    code_version: str | None
    transcript: list[list[int]] | None
    history_start: int
    message_count: int
    interaction_id: str | None
    at: datetime | None = None
    keyframe: int | None = None
    delta: bytes | None = None
    line: int | None = None

    @property
    def parts(self) -> list[Part]:
        """The parts of its conversation."""
        return parts_of(self.transcript, self.history_start, self.message_count)

    @property
    def messages(self) -> int:
        """How many messages its conversation has."""
        return length(self.parts)


def resolve(
    store: StoreConnection | Transaction, agent_id: str, session_id: str, at: str | None, *, read: bool = True
) -> Point:
    """The point `at`: an interaction's id or a snapshot's name; None is now. read: whether its state is read.

    Raises `UnknownSession`, `UnknownPoint`, `PrunedPoint`, `StoreAwayError`.
    """
    found = [] if "\x00" in session_id else store.fetch(BY_ID, {"agent": agent_id, "session": session_id})
    if not found:
        raise UnknownSession
    if at is None:
        return _now(found[0])
    lineage = _lineage(store, agent_id, found[0])
    if UUID_FORM.fullmatch(at):
        row, owner = _of_interaction(store, agent_id, found[0], lineage, at)
    else:
        row, owner = _of_snapshot(store, agent_id, lineage, at)
    point = _point(row, owner)
    return replace(point, state=read_state(store, agent_id, point)) if read else point


def read_state(store: StoreConnection | Transaction, agent_id: str, point: Point) -> str | None:
    """The state at a point that is told by a keyframe. Raises `PrunedPoint` when it went meanwhile."""
    if point.keyframe == NO_STATE or point.keyframe is None:
        return point.state
    key = {"agent": agent_id, "session": point.session_id, "id": point.keyframe}
    found = store.fetch(KEYFRAME, key)
    if not found or point.delta is None:
        raise PrunedPoint
    return apply(unpack(found[0].data), point.delta).decode()


def _now(row: _Row) -> Point:
    state = row.state
    if row.base is not None and row.state_delta is not None:
        state = apply(unpack(row.base), row.state_delta).decode()
    return Point(
        row.id,
        row.version,
        state,
        row.state_version,
        row.code_version,
        row.transcript,
        row.history_start,
        row.message_count,
        row.newest,
        line=row.line,
    )


def _point(row: _Point, owner: _Row) -> Point:
    return Point(
        owner.id,
        row.point or 0,
        None,
        row.state_version or 1,
        row.code_version,
        row.transcript,
        row.history_start or 0,
        row.message_count or 0,
        row.interaction_id,
        row.at,
        row.keyframe,
        row.delta,
        owner.line,
    )


def _lineage(store: StoreConnection | Transaction, agent_id: str, row: _Row) -> Iterator[tuple[_Row, int]]:
    """The session and its ancestors, each with the newest of its points that belongs to the session's life."""
    last = row.version
    while True:
        yield row, last
        if row.parent_line is None or row.parent_point is None:
            return
        found = store.fetch(BY_LINE, {"agent": agent_id, "line": row.parent_line})
        if not found:
            return
        last, row = row.parent_point, found[0]


def _of_interaction(
    store: StoreConnection | Transaction, agent_id: str, own: _Row, lineage: Iterator[tuple[_Row, int]], at: str
) -> tuple[_Point, _Row]:
    found = store.fetch(BY_INTERACTION, {"agent": agent_id, "id": at})
    if not found:
        raise _missing(store, agent_id, own, at)
    row = found[0]
    for owner, last in lineage:
        if owner.id == row.session_id:
            if row.point is None:
                raise UnknownPoint(f"The interaction {at} has left no point: it is {row.status}.")
            if row.point > last:
                break
            if row.keyframe is None:
                raise _pruned(store, agent_id, owner.id)
            return row, owner
    raise UnknownPoint(f"The interaction {at} is not of this session's life.")


def _of_snapshot(
    store: StoreConnection | Transaction, agent_id: str, lineage: Iterator[tuple[_Row, int]], at: str
) -> tuple[_Point, _Row]:
    if "\x00" not in at:
        for owner, last in lineage:
            found = store.fetch(BY_NAME, {"agent": agent_id, "session": owner.id, "name": at})
            if found and (found[0].point or 0) <= last:
                return found[0], owner
    raise UnknownPoint(f"There is no snapshot {at!r}.")


def _missing(store: StoreConnection | Transaction, agent_id: str, own: _Row, at: str) -> UnknownPoint | PrunedPoint:
    """What to say of an interaction that is not there: it was pruned, if its id is of a time before what is kept."""
    since = store.fetch(SINCE, {"agent": agent_id, "session": own.id})[0].since
    if UUID7.fullmatch(at) and since is not None:
        made = datetime.fromtimestamp((uuid.UUID(at).int >> 80) / 1000, UTC)
        if own.created_at <= made < since:
            return _pruned_since(since)
    return UnknownPoint(f"There is no interaction {at}.")


def _pruned(store: StoreConnection | Transaction, agent_id: str, session_id: str) -> PrunedPoint:
    return _pruned_since(store.fetch(SINCE, {"agent": agent_id, "session": session_id})[0].since)


def _pruned_since(since: datetime | None) -> PrunedPoint:
    if since is None:
        return PrunedPoint("None of this session's points is kept any more.")
    return PrunedPoint(f"This session's points are kept since {since.isoformat()}.", since=since.isoformat())


def stands(point: Point) -> dict[str, Any]:
    """The columns in which a point is told, for a row that refers to it."""
    return {
        "point": point.point,
        "keyframe": point.keyframe,
        "delta": point.delta,
        "state_version": point.state_version,
        "code_version": point.code_version,
        "history_start": point.history_start,
        "message_count": point.message_count,
    }
