"""Restores in a replay: a fork goes back to where the session went, among its own points.

A restore notes the point that it went to. It may have been one that an earlier restore left, or lie before the
replay's start; its snapshot may be gone by now, or name another point.
"""

from typing import Any, NamedTuple

from pumice.agents.exact_json import from_text
from pumice.agents.names import UUID_FORM
from pumice.errors import PrunedPoint, UnknownPoint
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.forks import FORK_PREFIX
from pumice.sessions.points import Point, resolve
from pumice.sessions.replay_lanes import Lane, Recorded
from pumice.sessions.restoring import RestoreOptions, restore
from pumice.sessions.statements import Statement


class _Target(NamedTuple):
    """Where a restore went: a point, the interaction that left it, if one did, and what it was asked for by."""

    point: int
    interaction_id: str | None
    at: str


LEFT = Statement(
    "read_recorded_at",
    """
select id::text as id, point, kind, case when kind = 'restore' then payload::text end as restore from interactions
where agent_id = %(agent)s and session_id = %(session)s and point > %(start)s and point <= %(point)s
order by point desc limit 1
""",
    Recorded,
)
"""The interaction that left a point, or the last one before it where none did: an attempt that was to be repeated."""


def restore_again(store: StoreConnection, transaction: Transaction, lane: Lane, recorded: Recorded) -> None:
    """Have the fork go back to where its session went. Raises `UnknownPoint`, `PrunedPoint`."""
    target = _target(transaction, lane, recorded)
    start = lane.start or 0
    key = {"agent": lane.agent_id, "session": lane.session_id, "start": start}
    while target.point > start:
        found = transaction.fetch(LEFT, {**key, "point": target.point})
        if not found:
            target = target._replace(point=start)
        elif found[0].restore is None:
            _restore(store, lane, resolve(transaction, lane.agent_id, lane.fork, lane.copied(found[0].id)))
            return
        else:
            target = _target(transaction, lane, found[0])
    _restore(store, lane, _before(transaction, lane, target))


def _restore(store: StoreConnection, lane: Lane, point: Point) -> None:
    """Set the fork to a point. Nothing waits there; a worker may still hold the lease of what ran last."""
    restore(store, lane.agent_id, lane.fork, "", RestoreOptions(cancel=True), point=point)


def _target(transaction: Transaction, lane: Lane, recorded: Recorded) -> _Target:
    """Where a restore went. One that does not tell the point is looked up as it was asked for."""
    told: dict[str, Any] = from_text(recorded.restore or "{}")
    at, point, left_by = (told.get(name) for name in ("at", "point", "interactionId"))
    at = at if isinstance(at, str) else ""
    is_id = isinstance(left_by, str) and UUID_FORM.fullmatch(left_by)
    if isinstance(point, int) and not isinstance(point, bool):
        target = _Target(point, left_by if is_id else None, at)
    else:
        found = resolve(transaction, lane.agent_id, lane.session_id, at, read=False)
        target = _Target(found.point, found.interaction_id, at)
    if target.point >= recorded.point:
        raise UnknownPoint("The snapshot to which the session was restored names a later point by now.")
    return target


def _before(transaction: Transaction, lane: Lane, target: _Target) -> Point:
    """A point at the replay's start or before it."""
    names = [target.interaction_id, target.at]
    if target.point == lane.start:
        names.append(FORK_PREFIX + lane.fork)
    problem: UnknownPoint | PrunedPoint | None = None
    for name in filter(None, names):
        try:
            found = resolve(transaction, lane.agent_id, lane.fork, name)
        except (UnknownPoint, PrunedPoint) as error:
            problem = problem or error
        else:
            if found.point == target.point:
                return found
    if target.point == 0:
        return Point(lane.fork, 0, None, 1, None, None, 0, 0, None)
    raise problem or UnknownPoint("A point to which the session was restored is not kept any more.")
