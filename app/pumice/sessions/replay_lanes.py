"""The sessions in which replays run: making one, and having recorded interactions run in it.

Their ids, and those of the interactions that are copied into them, are made of what they are copied from, so that a
copy that is made twice is one.
"""

import uuid
from hashlib import md5
from typing import NamedTuple

from pumice.agents.recordings import LIVE, MISSING
from pumice.agents.releases import REPLAY_AT, STABLE, STABLE_NAME
from pumice.errors import UnknownSession
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.deletion import delete_session
from pumice.sessions.forks import FORK_PREFIX, NewFork, fork_point
from pumice.sessions.keyframes import hold
from pumice.sessions.points import resolve
from pumice.sessions.statements import NoRow, Statement

BASELINE = "baseline"
"""The lane that runs on the old code."""
REPLAY_PREFIX = "$replay:"
"""Begins the ids of the sessions in which replays run."""
BATCH = 100
"""Interactions of one session that wait in its fork at the most."""


class Lane(NamedTuple):
    """A session's replay on one release: its points after `start`, up to `until`; `position` is how far it came.

    after: what was asked for instead of its beginning.
    """

    replay: str
    number: int
    agent_id: str
    session_id: str
    status: str
    start: int | None
    position: int | None
    until: int | None
    after: str | None
    model: str
    old_release: str | None
    new_release: str | None
    lane: str
    baseline: str | None

    @property
    def release(self) -> str:
        """The release whose workers run this lane."""
        named = self.old_release if self.lane == BASELINE else self.new_release
        return STABLE if named in {None, STABLE_NAME} else named or STABLE

    @property
    def fork(self) -> str:
        """The id of the session in which it runs."""
        prefix = f"{REPLAY_AT}{self.release}:" if self.release else REPLAY_PREFIX
        return f"{prefix}{self.replay}:{self.number}{'b' if self.lane == BASELINE else ''}"

    def copied(self, interaction_id: str) -> str:
        """The id under which a recorded interaction runs there."""
        digest = md5((self.fork + interaction_id.lower()).encode(), usedforsecurity=False)
        return str(uuid.UUID(digest.hexdigest()))


class Recorded(NamedTuple):
    """A recorded interaction; `restore` is the payload of a restore, as JSON text."""

    id: str
    point: int
    kind: str
    restore: str | None


class _Life(NamedTuple):
    version: int
    parent_point: int | None


LIFE = Statement(
    "read_recorded_life",
    "select version, parent_point from sessions where agent_id = %(agent)s and id = %(session)s and deleted_at is null",
    _Life,
)
"""How many points a session has, and where it was forked."""

NEXT = Statement(
    "read_recorded",
    """
select id::text as id, point, kind, case when kind = 'restore' then payload::text end as restore from interactions
where agent_id = %(agent)s and session_id = %(session)s and point > %(position)s and point <= %(until)s
  and keyframe is not null
order by point limit %(batch)s
""",
    Recorded,
)
"""The recorded interactions that come next, in the order in which they ran."""

FRESH = Statement(
    "insert_replay_fork",
    """
insert into sessions (agent_id, id, quiet, metadata)
select agent_id, %(fork)s, true, metadata from sessions where agent_id = %(agent)s and id = %(session)s
""",
    NoRow,
)
"""Makes a session in which another's whole life runs again."""

COPY = Statement(
    "copy_recorded",
    """
insert into interactions (id, agent_id, session_id, kind, name, payload, body, scheduled_for, recording)
select md5(%(fork)s || id::text)::uuid, agent_id, %(fork)s, kind, name, payload, body, scheduled_for,
  coalesce(%(live)s::json, recording, %(missing)s::json)
from interactions where id = any(%(ids)s::uuid[]) order by point
on conflict do nothing
""",
    NoRow,
)
"""Has recorded interactions run again in a fork, with what models and tools answered, unless they are asked anew."""


def begin(transaction: Transaction, lane: Lane) -> Lane:
    """Make the fork. Returns the lane with its start and end.

    Raises `UnknownSession`, `UnknownPoint`, `PrunedPoint`.
    """
    hold(transaction, lane.agent_id, lane.session_id)
    life = transaction.fetch(LIFE, {"agent": lane.agent_id, "session": lane.session_id})
    if not life:
        raise UnknownSession(f"The session {lane.session_id!r} was deleted before it was replayed.")
    lane = lane._replace(until=life[0].version if lane.until is None else lane.until)
    start = _start(transaction, lane, life[0].parent_point or 0)
    return lane._replace(start=start, position=start)


def copy(transaction: Transaction, lane: Lane) -> Lane:
    """Have the next interactions run, up to a restore. Returns the lane with how far it came."""
    rows = transaction.fetch(NEXT, _range(lane, lane.position or 0, BATCH))
    restores = [number for number, row in enumerate(rows) if row.restore is not None]
    rows = rows[: restores[0]] if restores else rows
    if not rows:
        return lane
    live = LIVE if lane.model == "live" else None
    transaction.fetch(COPY, {"fork": lane.fork, "ids": [row.id for row in rows], "live": live, "missing": MISSING})
    return lane._replace(position=rows[-1].point)


def following(transaction: Transaction, lane: Lane) -> Recorded | None:
    """The interaction that comes next."""
    found = transaction.fetch(NEXT, _range(lane, lane.position or 0, 1))
    return found[0] if found else None


def remove(store: StoreConnection, lane: Lane) -> None:
    """Delete the fork, with whatever runs there."""
    for _ in delete_session(store, lane.agent_id, lane.fork):
        pass


def _start(transaction: Transaction, lane: Lane, began: int) -> int:
    """Make the fork where the replay starts. Returns that point."""
    if lane.after is not None:
        return _fork(transaction, lane, lane.after)
    found = transaction.fetch(NEXT, _range(lane, -1, 1))
    is_whole = not found or found[0].point == began + 1
    if found and not is_whole:
        return _fork(transaction, lane, found[0].id)
    if found and began:
        return _fork(transaction, lane, FORK_PREFIX + lane.session_id)
    transaction.fetch(FRESH, {"agent": lane.agent_id, "session": lane.session_id, "fork": lane.fork})
    return began


def _fork(transaction: Transaction, lane: Lane, at: str) -> int:
    point = resolve(transaction, lane.agent_id, lane.session_id, at)
    fork_point(transaction, lane.agent_id, lane.session_id, point, NewFork(lane.fork, quiet=True))
    return point.point


def _range(lane: Lane, position: int, batch: int) -> dict[str, object]:
    key = {"agent": lane.agent_id, "session": lane.session_id}
    return {**key, "position": position, "until": lane.until, "batch": batch}
