"""Running a replay, step by step: what is noted after each is enough for any worker to go on.

A session's recorded interactions are copied into a quiet fork, some at a time, and run there as all others do. Their
ids are made of the fork's and the recorded ones', so that a copy that is made twice is one.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import md5
from typing import NamedTuple

import psycopg

from pumice.agents.names import UUID_FORM
from pumice.agents.recordings import LIVE
from pumice.agents.releases import REPLAY_AT, STABLE, STABLE_NAME
from pumice.errors import Problem, UnknownSession
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.deletion import delete_session
from pumice.sessions.forks import FORK_PREFIX, NewFork, fork_point
from pumice.sessions.keyframes import hold
from pumice.sessions.points import resolve
from pumice.sessions.replay_results import beside_baseline, compared_turns
from pumice.sessions.restoring import restore
from pumice.sessions.snapshots import read as read_snapshot
from pumice.sessions.statements import NoRow, Statement

BASELINE = "baseline"
"""The lane that runs on the old code."""
REPLAY_PREFIX = "$replay:"
"""Begins the ids of the sessions in which replays run."""
AT_ONCE = 4
"""Sessions that are replayed at a time; more of them would be in the way of others."""
BATCH = 100
"""Interactions of one session that wait in its fork at the most."""


class _Open(NamedTuple):
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


class _Point(NamedTuple):
    id: str
    point: int
    kind: str
    at: str | None


class _Life(NamedTuple):
    version: int
    parent_point: int | None


class _Found(NamedTuple):
    found: bool


TAKE = Statement(
    "take_replay_session",
    """
select s.replay_id::text as replay, s.number, s.agent_id, s.session_id, s.status, s.start, s.position, s.until,
  r.request ->> 'from' as after, r.request ->> 'model' as model,
  r.request ->> 'baseline' as old_release, r.request ->> 'candidate' as new_release, s.lane,
  s.baseline::text as baseline
from replay_sessions s join replays r on r.id = s.replay_id
where s.status in ('queued', 'running') and s.agent_id = any(%(agents)s)
  and (s.status = 'running' or (select count(*) from replay_sessions o where o.status = 'running') < %(at_once)s)
order by s.checked_at limit 1 for update of s skip locked
""",
    _Open,
)
"""Takes the session of a replay that was looked at longest ago, for one transaction."""

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

LIFE = Statement(
    "read_recorded_life",
    "select version, parent_point from sessions where agent_id = %(agent)s and id = %(session)s and deleted_at is null",
    _Life,
)
"""How many points a session has, and where it was forked."""

NEXT = Statement(
    "read_recorded",
    """
select id::text as id, point, kind, payload ->> 'at' as at from interactions
where agent_id = %(agent)s and session_id = %(session)s and point > %(position)s and point <= %(until)s
  and keyframe is not null
order by point limit %(batch)s
""",
    _Point,
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
  coalesce(%(live)s::json, recording, '{"model": []}')
from interactions where id = any(%(ids)s::uuid[]) order by point
on conflict do nothing
""",
    NoRow,
)
"""Has recorded interactions run again in a fork, with what models and tools answered, unless they are asked anew."""

BUSY = Statement(
    "replay_fork_busy",
    """
select exists (select from interactions
  where agent_id = %(agent)s and session_id = %(session)s and status = 'queued') as found
""",
    _Found,
)
"""Whether something still waits or runs there."""

HAS = Statement(
    "replay_has_interaction",
    "select exists (select from interactions where id = %(id)s::uuid) as found",
    _Found,
)
"""Whether an interaction was copied."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """An agent that is served here: what its author left out of comparisons."""

    ignored: tuple[str, ...] = ()


class Step(NamedTuple):
    """What a step leaves to do: a session to wake, if there is one."""

    agent_id: str
    session_id: str | None


def step(store: StoreConnection, agents: Mapping[str, Replayed]) -> Step | None:
    """Bring one session's replay one step further. Returns None when there is nothing to do now.

    Raises `StoreAwayError`; then nothing changed.
    """
    with store.transaction() as transaction:
        found = transaction.fetch(TAKE, {"agents": list(agents), "at_once": AT_ONCE})
        if not found:
            return None
        one = found[0]
        try:
            with store.transaction() as inner:
                woken = _begin(inner, one) if one.status == "queued" else _go_on(store, inner, one, agents)
        except (Problem, ValueError, RecursionError, psycopg.DataError) as error:
            _remove(store, one)
            _end(transaction, one, "failed", None, str(error) or type(error).__name__)
            woken = None
    return Step(one.agent_id, woken)


def fork_id(one: _Open) -> str:
    """The id of the session in which a session is replayed."""
    prefix = f"{REPLAY_AT}{one.release}:" if one.release else REPLAY_PREFIX
    return f"{prefix}{one.replay}:{one.number}{'b' if one.lane == BASELINE else ''}"


def _begin(transaction: Transaction, one: _Open) -> str | None:
    """Make the fork, and copy the first interactions into it."""
    hold(transaction, one.agent_id, one.session_id)
    life = transaction.fetch(LIFE, {"agent": one.agent_id, "session": one.session_id})
    if not life:
        raise UnknownSession(f"The session {one.session_id!r} was deleted before it was replayed.")
    until = life[0].version if one.until is None else one.until
    if one.after is not None:
        start = _fork(transaction, one, one.after)
    else:
        first = transaction.fetch(NEXT, _range(one, -1, until, 1))
        began = life[0].parent_point or 0
        if not first or (first[0].point == began + 1 and not began):
            transaction.fetch(FRESH, {"agent": one.agent_id, "session": one.session_id, "fork": fork_id(one)})
            start = began
        elif first[0].point == began + 1:
            start = _fork(transaction, one, FORK_PREFIX + one.session_id)
        else:
            start = _fork(transaction, one, first[0].id)
    return _copy(transaction, one._replace(start=start, position=start, until=until))


def _fork(transaction: Transaction, one: _Open, at: str) -> int:
    point = resolve(transaction, one.agent_id, one.session_id, at)
    fork_point(transaction, one.agent_id, one.session_id, point, NewFork(fork_id(one), quiet=True))
    return point.point


def _go_on(store: StoreConnection, transaction: Transaction, one: _Open, agents: Mapping[str, Replayed]) -> str | None:
    """Copy what comes next; when nothing does, compare what came out, and end."""
    if transaction.fetch(BUSY, {"agent": one.agent_id, "session": fork_id(one)})[0].found:
        _note(transaction, one)
        return None
    following = transaction.fetch(NEXT, _range(one, one.position or 0, one.until or 0, 1))
    if following and following[0].kind == "restore":
        restore(store, one.agent_id, fork_id(one), _restored_at(store, one, following[0].at or ""))
        _note(transaction, one._replace(position=following[0].point))
        return None
    if following:
        return _copy(transaction, one)
    turns = compared_turns(
        transaction, (one.agent_id, one.session_id), fork_id(one), (one.start or 0, one.until or 0),
        agents[one.agent_id].ignored,
    )  # fmt: skip
    _remove(store, one)
    if one.lane == BASELINE:
        transaction.fetch(NEXT_LANE, {"replay": one.replay, "number": one.number, "turns": turns})
        return None
    _end(transaction, one, "done", turns if one.baseline is None else beside_baseline(one.baseline, turns), None)
    return None


def _copy(transaction: Transaction, one: _Open) -> str | None:
    """Have the next interactions run, up to a restore. Returns the session to wake."""
    rows = transaction.fetch(NEXT, _range(one, one.position or 0, one.until or 0, BATCH))
    restores = [number for number, row in enumerate(rows) if row.kind == "restore"]
    rows = rows[: restores[0]] if restores else rows
    if rows:
        live = LIVE if one.model == "live" else None
        transaction.fetch(COPY, {"fork": fork_id(one), "ids": [row.id for row in rows], "live": live})
        one = one._replace(position=rows[-1].point)
    _note(transaction, one._replace(status="running"))
    return fork_id(one) if rows else None


def _restored_at(store: StoreConnection, one: _Open, at: str) -> str:
    """The fork's own name for the point to which the session was restored."""
    if not UUID_FORM.fullmatch(at):
        at = read_snapshot(store, one.agent_id, one.session_id, at).interaction_id or at
        if not UUID_FORM.fullmatch(at):
            return at
    digest = md5((fork_id(one) + at.lower()).encode(), usedforsecurity=False)
    copied = str(uuid.UUID(digest.hexdigest()))
    return copied if store.fetch(HAS, {"id": copied})[0].found else at


def _remove(store: StoreConnection, one: _Open) -> None:
    for _ in delete_session(store, one.agent_id, fork_id(one)):
        pass


def _range(one: _Open, position: int, until: int, batch: int) -> dict[str, object]:
    key = {"agent": one.agent_id, "session": one.session_id}
    return {**key, "position": position, "until": until, "batch": batch}


def _note(transaction: Transaction, one: _Open) -> None:
    transaction.fetch(NOTE, one._asdict())


def _end(transaction: Transaction, one: _Open, status: str, turns: str | None, error: str | None) -> None:
    key = {"replay": one.replay, "number": one.number}
    transaction.fetch(END, {**key, "status": status, "turns": turns, "error": error})
