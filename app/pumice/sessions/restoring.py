"""Restoring a session: it goes on from an earlier point, which becomes a new one at the end of the same line.

Nothing is rewritten: what came after the point stays readable by its interactions' ids.
"""

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import orjson

from pumice.agents.context import new_id
from pumice.agents.states import REASONS, Reason, Status
from pumice.errors import Conflict, UnknownSession
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.conversation import inherited
from pumice.sessions.deltas import SAME
from pumice.sessions.finished import FinishedInteraction
from pumice.sessions.keyframes import hold, keep
from pumice.sessions.point_writer import NO_STATE
from pumice.sessions.points import Point, resolve
from pumice.sessions.statements import NoRow, Statement


class _Session(NamedTuple):
    lease_token: int | None
    version: int
    message_count: int


class _Closed(NamedTuple):
    id: str
    kind: str
    reply_to: str | None


LOCK = Statement(
    "lock_session_to_restore",
    """
select lease_token, version, message_count from sessions
where agent_id = %(agent)s and id = %(session)s and deleted_at is null for update
""",
    _Session,
)
"""Takes the session; no claim and no commit comes between."""

DROP = Statement(
    "drop_queued",
    """
update interactions set status = 'cancelled', reason = %(reason)s, reason_code = %(reason_code)s,
  finished_at = clock_timestamp()
where agent_id = %(agent)s and session_id = %(session)s and status = 'queued'
  and (%(all)s or id = any(%(running)s::uuid[]))
returning id::text as id, kind, reply_to
""",
    _Closed,
)
"""Cancels what is queued: all of it, or only what runs."""

SET_BACK = Statement(
    "restore_session",
    """
update sessions set state = %(state)s::json, stale = false, state_delta = null, base = %(base)b,
  keyframe = %(keyframe)s, state_version = %(state_version)s, code_version = %(code_version)s, version = version + 1,
  history_start = message_count, transcript = %(transcript)s::json, lease_token = null, lease_worker = null,
  lease_until = null, blocked_until = null, updated_at = now()
where agent_id = %(agent)s and id = %(session)s
""",
    NoRow,
)
"""Sets the session to the point. Its own messages go on where they ended, so that no number is used twice."""

RECORD = Statement(
    "record_restore",
    """
insert into interactions (id, agent_id, session_id, kind, name, payload, status, attempts, accepted_at, started_at,
  finished_at, result, point, keyframe, delta, state_version, code_version, history_start, message_count, transcript)
values (%(id)s::uuid, %(agent)s, %(session)s, 'restore', null, %(payload)s::json, 'done', 1, now(), now(),
  clock_timestamp(), %(result)s::json, %(point)s, %(kept)s, %(delta)b, %(state_version)s, %(code_version)s,
  %(message_count)s, %(message_count)s, %(transcript)s::json)
""",
    NoRow,
)
"""The restore as an interaction of its own, whose point is the session restored. Its payload tells where it went, since
a name may mean another point later."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did: its interaction, what it cancelled, each with the front that waits, and the lease it took."""

    interaction_id: str
    point: Point
    cancelled: list[tuple[FinishedInteraction, str | None]]
    token: int | None


@dataclass(frozen=True, slots=True)
class RestoreOptions:
    """queued: what becomes of interactions that wait. cancel: a turn that runs is cancelled, else it is a conflict.

    running: the interactions that run.
    """

    queued: Literal["keep", "drop"] = "keep"
    cancel: bool = False
    running: tuple[str, ...] = ()


def restore(
    store: StoreConnection,
    agent_id: str,
    session_id: str,
    at: str,
    wanted: RestoreOptions | None = None,
    *,
    point: Point | None = None,
) -> Restored:
    """Have a session go on from a point. point: the one that is meant, where it is not to be looked up.

    Raises `UnknownSession`, `UnknownPoint`, `PrunedPoint`, `Conflict`, `StoreAwayError`.
    """
    wanted = wanted or RestoreOptions()
    key: dict[str, Any] = {"agent": agent_id, "session": session_id}
    with store.transaction() as transaction:
        hold(transaction, agent_id, session_id)
        found = [] if "\x00" in session_id else transaction.fetch(LOCK, key)
        if not found:
            raise UnknownSession
        if found[0].lease_token is not None and not wanted.cancel:
            raise Conflict("A turn of this session runs; cancel it, or wait for its end.")
        point = point or resolve(transaction, agent_id, session_id, at)
        reason = Reason.RESTORED
        dropped = {"all": wanted.queued == "drop", "running": list(wanted.running)}
        rows = transaction.fetch(DROP, key | dropped | {"reason": REASONS[reason], "reason_code": reason.value})
        interaction_id = _set_back(transaction, key, found[0], point, at)
    closed = [
        FinishedInteraction(row.id, row.kind, Status.CANCELLED, reason=REASONS[reason], reason_code=reason)
        for row in rows
    ]
    waiting = [row.reply_to for row in rows]
    return Restored(interaction_id, point, list(zip(closed, waiting, strict=True)), found[0].lease_token)


def _set_back(transaction: Transaction, key: dict[str, Any], session: _Session, point: Point, at: str) -> str:
    keyframe, base, kept, delta = None, None, NO_STATE, None
    if point.state is not None:
        keyframe, base = keep(transaction, key["agent"], key["session"], session.version + 1, point.state)
        kept, delta = keyframe, SAME
    own = point.session_id == key["session"]
    parts = [part for part in point.parts if part[2] > part[1]] if own else inherited(point.parts, point.line or 0)
    options = key | {
        "id": new_id(),
        "state": point.state,
        "base": base,
        "keyframe": keyframe,
        "kept": kept,
        "delta": delta,
        "state_version": point.state_version,
        "code_version": point.code_version,
        "transcript": orjson.dumps(parts).decode(),
        "message_count": session.message_count,
        "point": session.version + 1,
        "payload": orjson.dumps({"at": at, "interactionId": point.interaction_id, "point": point.point}).decode(),
        "result": orjson.dumps({"value": None}).decode(),
    }
    transaction.fetch(SET_BACK, options)
    transaction.fetch(RECORD, options)
    return str(options["id"])
