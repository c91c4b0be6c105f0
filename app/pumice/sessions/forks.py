"""Forks: new sessions that start at a point of another one and share what was said before, however long that is."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from pumice.agents.json_text import dumps
from pumice.errors import Conflict, UnknownSession
from pumice.sessions import snapshots
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.conversation import inherited
from pumice.sessions.keyframes import hold, keep, pin
from pumice.sessions.points import Point, resolve
from pumice.sessions.statements import Statement

FORK_PREFIX = "$fork:"
"""Begins the names of the snapshots that keep where forks started."""


class _Line(NamedTuple):
    line: int


class _Made(NamedTuple):
    id: str


LINE = Statement(
    "give_line",
    """
update sessions set line = coalesce(line, nextval('lines')) where agent_id = %(agent)s and id = %(session)s
returning line
""",
    _Line,
)
"""Gives a session the number by which its forks find it, whatever it is called later."""

INSERT = Statement(
    "insert_fork",
    """
insert into sessions (agent_id, id, state, base, keyframe, state_version, code_version, version, message_count,
  history_start, transcript, parent_line, parent_point, parent_session, parent_interaction, quiet, metadata, timezone)
select p.agent_id, %(new)s, %(state)s::json, %(base)b, %(keyframe)s, %(state_version)s, %(code_version)s, %(point)s,
  %(message_count)s, %(message_count)s, %(transcript)s::json, %(line)s, %(point)s, %(parent)s, %(interaction)s::uuid,
  %(quiet)s, coalesce(%(metadata)s::jsonb, p.metadata), p.timezone
from sessions p where p.agent_id = %(agent)s and p.id = %(parent)s
on conflict do nothing returning id
""",
    _Made,
)
"""Makes the new session, with the timezone of the one that was asked for, and its metadata unless others are given."""


@dataclass(frozen=True, slots=True)
class NewFork:
    """The session to make: its id, whether it is quiet, and its metadata, which are its parent's unless given."""

    id: str
    quiet: bool = False
    metadata: dict[str, Any] | None = None


def fork(store: StoreConnection, agent_id: str, session_id: str, new: NewFork, *, at: str | None = None) -> Point:
    """Start a session at a point of another one. Returns that point.

    Raises `UnknownSession`, `UnknownPoint`, `PrunedPoint`, `Conflict` for an id that is taken, `StoreAwayError`.
    """
    with store.transaction() as transaction:
        hold(transaction, agent_id, session_id)
        point = resolve(transaction, agent_id, session_id, at)
        fork_point(transaction, agent_id, session_id, point, new)
    return point


def fork_point(transaction: Transaction, agent_id: str, session_id: str, point: Point, new: NewFork) -> None:
    """Start a session at a point that was found in this transaction, under `hold`."""
    owner = point.session_id
    found = transaction.fetch(LINE, {"agent": agent_id, "session": owner})
    if not found:
        raise UnknownSession
    line = found[0].line
    keyframe, base = None, None
    if point.state is not None:
        keyframe, base = keep(transaction, agent_id, new.id, point.point, point.state)
    options = {
        "agent": agent_id,
        "new": new.id,
        "state": point.state,
        "base": base,
        "keyframe": keyframe,
        "state_version": point.state_version,
        "code_version": point.code_version,
        "point": point.point,
        "message_count": point.message_count,
        "transcript": dumps(inherited(point.parts, line)).decode(),
        "line": line,
        "parent": session_id,
        "interaction": point.interaction_id,
        "quiet": new.quiet,
        "metadata": None if new.metadata is None else dumps(new.metadata).decode(),
    }
    if not transaction.fetch(INSERT, options):
        raise Conflict(f"There is a session {new.id!r} already.")
    began = pin(transaction, agent_id, owner, point)
    snapshots.insert(transaction, agent_id, owner, snapshots.NewSnapshot(FORK_PREFIX + new.id), began)
