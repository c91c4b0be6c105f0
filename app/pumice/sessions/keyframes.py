"""Keyframes: states in full, which the points of one session are told from; and keeping them while they are needed."""

from dataclasses import replace
from typing import NamedTuple

from pumice.sessions.connections import Transaction
from pumice.sessions.conversation import inherited
from pumice.sessions.deltas import SAME, pack
from pumice.sessions.point_writer import NO_STATE, new_keyframe
from pumice.sessions.points import Point
from pumice.sessions.statements import NoRow, Statement


class _Held(NamedTuple):
    held: str


HOLD = Statement(
    "hold_history",
    "select pg_advisory_xact_lock_shared(hashtextextended(%(agent)s || '/' || %(session)s, 710))::text as held",
    _Held,
)
"""Keeps a session's points from being pruned until the transaction ends. Others may hold them too."""

INSERT = Statement(
    "insert_keyframe",
    """
insert into keyframes (agent_id, session_id, id, point, data)
values (%(agent)s, %(session)s, %(id)s, %(point)s, %(data)b)
""",
    NoRow,
)
"""Keeps a state in full."""


def hold(transaction: Transaction, agent_id: str, session_id: str) -> None:
    """Keep a session's points from being pruned until the transaction ends."""
    transaction.fetch(HOLD, {"agent": agent_id, "session": session_id})


def keep(transaction: Transaction, agent_id: str, session_id: str, point: int, state: str) -> tuple[int, bytes]:
    """Keep a state in full, for the points of a session from `point` on. Returns its id, and it compressed."""
    made, data = new_keyframe(), pack(state.encode())
    transaction.fetch(INSERT, {"agent": agent_id, "session": session_id, "id": made, "point": point, "data": data})
    return made, data


def pin(transaction: Transaction, agent_id: str, session_id: str, point: Point) -> Point:
    """The point, told as one of this session: from a keyframe of its own, its conversation seen from here."""
    if point.session_id != session_id:
        own = replace(point, session_id=session_id, keyframe=None, transcript=_seen(point))
        point = replace(own, history_start=point.message_count)
    if point.keyframe is not None:
        return point
    if point.state is None:
        return replace(point, keyframe=NO_STATE, delta=None)
    made, _ = keep(transaction, agent_id, session_id, point.point, point.state)
    return replace(point, keyframe=made, delta=SAME)


def _seen(point: Point) -> list[list[int]]:
    """The parts of an ancestor's conversation as its descendants have them."""
    if point.line is None:
        raise ValueError("an ancestor without a line")
    return inherited(point.parts, point.line)
