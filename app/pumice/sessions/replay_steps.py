"""Running a replay, step by step: what is noted after each is enough for any worker to go on.

A session's recorded interactions are copied into a quiet fork, some at a time, and run there as all others do.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

import psycopg

from pumice.errors import Problem, PumiceError, StoreAwayError
from pumice.logs import get_logger
from pumice.sessions.away import AGAIN
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.replay_lanes import BASELINE, Lane, begin, copy, following, remove
from pumice.sessions.replay_restores import restore_again
from pumice.sessions.replay_results import beside_baseline, compared_turns
from pumice.sessions.statements import NoRow, Statement

AT_ONCE = 4
"""Sessions of one agent that are replayed at a time; more of them would be in the way of others."""
STALLED = 3_600
"""Seconds after which a replay of a session is given up in which no turn has ended meanwhile."""
HOPELESS = 5
"""Seconds of a pause from which on a turn whose state can't be loaded waits for other code altogether."""
ROLLOUT = 60
"""Seconds that such a turn may wait with shorter pauses, for workers of newer code that come."""

log = get_logger("pumice.replay")


class _Waiting(NamedTuple):
    reason: str | None
    attempts: int
    pause: float | None
    idle: float


TAKE = Statement(
    "take_replay_session",
    """
select s.replay_id::text as replay, s.number, s.agent_id, s.session_id, s.status, s.start, s.position, s.until,
  r.request ->> 'from' as after, r.request ->> 'model' as model,
  r.request ->> 'baseline' as old_release, r.request ->> 'candidate' as new_release, s.lane,
  s.baseline::text as baseline
from replay_sessions s join replays r on r.id = s.replay_id
where s.status in ('queued', 'running') and s.agent_id = any(%(agents)s)
  and (s.status = 'running' or s.agent_id not in (select o.agent_id from replay_sessions o where o.status = 'running'
    group by o.agent_id having count(*) >= %(at_once)s))
order by s.checked_at limit 1 for update of s skip locked
""",
    Lane,
)
"""Takes the session of a replay that was looked at longest ago, for one transaction. An agent that has enough of them
under way keeps no other's waiting."""

NOTE = Statement(
    "note_replay_session",
    """
update replay_sessions set status = %(status)s, start = %(start)s, position = %(position)s, until = %(until)s,
  checked_at = clock_timestamp()
where replay_id = %(replay)s::uuid and number = %(number)s
""",
    NoRow,
)
"""Notes how far a session's replay came."""

NEXT_LANE = Statement(
    "begin_candidate_lane",
    """
update replay_sessions set lane = 'candidate', status = 'queued', start = null, position = null,
  baseline = %(turns)s::json, checked_at = clock_timestamp()
where replay_id = %(replay)s::uuid and number = %(number)s
""",
    NoRow,
)
"""Keeps what came out on the old code, and has the session run on the new one."""

END = Statement(
    "end_replay_session",
    """
update replay_sessions set status = %(status)s, turns = %(turns)s::json, error = %(error)s,
  checked_at = clock_timestamp()
where replay_id = %(replay)s::uuid and number = %(number)s
""",
    NoRow,
)
"""Notes what came out of a session's replay."""


WAITING = Statement(
    "replay_fork_waiting",
    """
select i.reason, i.attempts, extract(epoch from s.blocked_until - s.updated_at)::float8 as pause,
  extract(epoch from now() - greatest(i.accepted_at, (select o.finished_at from interactions o where
    o.agent_id = s.agent_id and o.session_id = s.id and o.seq < i.seq order by o.seq desc limit 1)))::float8 as idle
from sessions s join lateral (select * from interactions i where i.agent_id = s.agent_id and i.session_id = s.id
  and i.status = 'queued' order by i.seq limit 1) i on true
where s.agent_id = %(agent)s and s.id = %(session)s
""",
    _Waiting,
)
"""The turn that comes next in a fork, if one does: why it waits, after how many attempts, for how long each time, and
the seconds since the last one ended."""

TOUCH = Statement(
    "touch_replay_session",
    """
update replay_sessions set checked_at = clock_timestamp() where replay_id = %(replay)s::uuid and number = %(number)s
""",
    NoRow,
)
"""Has the turn of a session's replay come after the others'."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """An agent that is served here: what its author left out of comparisons."""

    ignored: tuple[str, ...] = ()


class Step(NamedTuple):
    """What a step leaves to do: a session to wake, if there is one."""

    agent_id: str
    session_id: str | None


class _GivenUpError(PumiceError):
    """The replay of this session can't go on."""


def step(store: StoreConnection, agents: Mapping[str, Replayed]) -> Step | None:
    """Bring one session's replay one step further. Returns None when there is nothing to do now.

    Raises `StoreAwayError`; then nothing changed but whose turn it is.
    """
    lane: Lane | None = None
    try:
        with store.transaction() as transaction:
            found = transaction.fetch(TAKE, {"agents": list(agents), "at_once": AT_ONCE})
            if not found:
                return None
            lane = found[0]
            return Step(lane.agent_id, _step(store, transaction, lane, agents))
    except (StoreAwayError, *AGAIN):
        if lane is not None:  # what is too much for a connection must not be what the next step begins with
            with suppress(StoreAwayError):
                store.fetch(TOUCH, {"replay": lane.replay, "number": lane.number})
        raise


def _step(store: StoreConnection, transaction: Transaction, lane: Lane, agents: Mapping[str, Replayed]) -> str | None:
    """Take a step with one that was taken. Returns the session to wake."""
    try:
        with store.transaction() as inner:
            return _advance(store, inner, lane, agents)
    except (StoreAwayError, *AGAIN):
        raise
    except Exception as error:
        told = _told(lane, error)
    try:
        with store.transaction():
            remove(store, lane)
    except AGAIN:
        raise
    except psycopg.Error:
        log.exception("replay_left", session=lane.fork)
    _end(transaction, lane, "failed", None, told)
    return None


def _told(lane: Lane, error: Exception) -> str:
    """What a report says of an error: what Postgres or an author's value says of itself is for the log alone."""
    if isinstance(error, (_GivenUpError, Problem)):
        return str(error)
    log.error("replay_failed", agent=lane.agent_id, session=lane.session_id, replay=lane.replay, exc_info=error)
    if isinstance(error, RecursionError):
        return "What came out is nested too deeply to be compared."
    return "Something that nobody foresaw went wrong. The log of the worker says what."


def _advance(
    store: StoreConnection, transaction: Transaction, lane: Lane, agents: Mapping[str, Replayed]
) -> str | None:
    """Make the fork, or copy what comes next; when nothing does, compare what came out, and end.

    Returns the session to wake.
    """
    if lane.status == "queued":
        return _copy(transaction, begin(transaction, lane))
    waiting = transaction.fetch(WAITING, {"agent": lane.agent_id, "session": lane.fork})
    if waiting:
        _check(waiting[0])
        _note(transaction, lane)
        return None
    coming = following(transaction, lane)
    if coming is None:
        _compare(store, transaction, lane, agents[lane.agent_id].ignored)
        return None
    if coming.restore is None:
        return _copy(transaction, lane)
    restore_again(store, transaction, lane, coming)
    _note(transaction, lane._replace(position=coming.point))
    return None


def _check(waiting: _Waiting) -> None:
    """Raise `_GivenUpError` when what waits in a fork will not run."""
    waits_for_code = waiting.attempts == 0 and waiting.reason is not None
    if waits_for_code and ((waiting.pause or 0) >= HOPELESS or waiting.idle > ROLLOUT):
        raise _GivenUpError(waiting.reason)
    if waiting.idle > STALLED:
        raise _GivenUpError(f"No turn of it has ended for {STALLED // 60} minutes.")


def _copy(transaction: Transaction, lane: Lane) -> str | None:
    """Have the next interactions run. Returns the session to wake."""
    copied = copy(transaction, lane)
    _note(transaction, copied._replace(status="running"))
    return lane.fork if copied.position != lane.position else None


def _compare(store: StoreConnection, transaction: Transaction, lane: Lane, ignored: tuple[str, ...]) -> None:
    """Compare what came out, and end; or go on with the other lane."""
    turns = compared_turns(
        transaction, (lane.agent_id, lane.session_id), lane.fork, (lane.start or 0, lane.until or 0), ignored
    )
    remove(store, lane)
    if lane.lane == BASELINE:
        transaction.fetch(NEXT_LANE, {"replay": lane.replay, "number": lane.number, "turns": turns})
    else:
        beside = turns if lane.baseline is None else beside_baseline(lane.baseline, turns)
        _end(transaction, lane, "done", beside, None)


def _note(transaction: Transaction, lane: Lane) -> None:
    transaction.fetch(NOTE, lane._asdict())


def _end(transaction: Transaction, lane: Lane, status: str, turns: str | None, error: str | None) -> None:
    key = {"replay": lane.replay, "number": lane.number}
    transaction.fetch(END, {**key, "status": status, "turns": turns, "error": error})
