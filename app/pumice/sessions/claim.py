"""Claim: take the leases of sessions with due work, and that work, in one round trip; keep or give back leases.

The statements are prepared once and planned without looking at the tables' sizes (see `connections`). `offset 0` keeps
the planner from turning a look-up by key for each session into one pass over all of them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString, NamedTuple

from pumice.agents.turn import Work
from pumice.sessions.connections import StoreConnection
from pumice.sessions.parameters import json_rows
from pumice.sessions.statements import NoRow, Statement

SMALL_BODY = 65_536
"""Bytes up to which a request's body comes with its claim; larger ones are read when their turn starts."""


class _Leased(NamedTuple):
    agent_id: str
    id: str
    state: str | None
    version: int
    history_start: int
    message_count: int
    probation: bool


class _Due(NamedTuple):
    id: str
    agent_id: str
    session_id: str
    seq: int
    kind: str
    name: str | None
    payload: str
    body: bytes | None
    has_large_body: bool | None
    attempts: int
    accepted_at: datetime
    scheduled_for: datetime | None
    reply_to: str | None
    newer_chat: str | None


class FreeSession(NamedTuple):
    """A session with due work that nobody is at. `young`: that work was accepted a moment ago."""

    agent_id: str
    id: str
    kind: str
    young: bool


class _Held(NamedTuple):
    token: int
    agent_id: str
    id: str


class _Announced(NamedTuple):
    id: str


class _Body(NamedTuple):
    body: bytes | None


class StoredMessage(NamedTuple):
    """A message as it is stored."""

    role: str
    content: Any
    data: Any


READY: LiteralString = """
with ready as (
  select s.agent_id, s.id from json_to_recordset(%(keys)s::json) as w(agent_id text, id text)
  join sessions s on s.agent_id = w.agent_id and s.id = w.id
  where (s.lease_token is null or s.lease_token = %(token)s) and (s.blocked_until is null or s.blocked_until <= now())
    and (not s.probation or %(alone)s)
    and (select true from interactions i where i.agent_id = s.agent_id and i.session_id = s.id
      and i.status = 'queued' and i.available_at <= now() order by i.seq limit 1)
  order by s.agent_id, s.id for update of s"""
TAKE: LiteralString = """
)
update sessions s set lease_token = %(token)s, lease_worker = %(worker)s,
  lease_until = now() + %(lease)s * interval '1 second', leased_at = now()
from ready r where s.agent_id = r.agent_id and s.id = r.id
returning s.agent_id, s.id, s.state::text as state, s.version, s.history_start, s.message_count, s.probation
"""

LEASE = Statement("lease_sessions", READY + " skip locked" + TAKE, _Leased)
"""Leases those named sessions that nobody holds and that have due work; skips what another transaction has locked.

A repetition, after its connection was lost, finds the sessions that the first try leased.
"""

LEASE_ONE = Statement("lease_session", READY + TAKE, _Leased)
"""Leases one session, and waits for its lock: a request may hold it for a moment, and nobody would look at this session
again.

The connection's lock_timeout bounds that: a request stopped in the middle of its transaction must not hold up a worker.
"""

DUE = Statement(
    "load_due_work",
    """
select i.* from json_to_recordset(%(keys)s::json) as w(agent_id text, id text, most int)
cross join lateral (select s.probation, s.lease_token from sessions s
  where s.agent_id = w.agent_id and s.id = w.id offset 0) s
cross join lateral (
  select i.id::text as id, i.agent_id, i.session_id, i.seq, i.kind, i.name, i.payload::text as payload,
    case when octet_length(i.body) <= %(small)s then i.body end as body,
    octet_length(i.body) > %(small)s as has_large_body, i.attempts, i.accepted_at, i.scheduled_for, i.reply_to,
    case when w.most = 1 and i.kind = 'chat' then (
      select n.id::text from interactions n
      where n.agent_id = w.agent_id and n.session_id = w.id and n.status = 'queued' and n.kind = 'chat'
        and n.seq > i.seq and n.available_at <= now() order by n.seq limit 1) end as newer_chat
  from interactions i
  where i.agent_id = w.agent_id and i.session_id = w.id and i.status = 'queued' and i.available_at <= now()
  order by i.seq limit case when s.probation then 1 else w.most end
) i where s.lease_token = %(token)s order by i.seq
""",
    _Due,
)
"""The due work of the sessions just leased, in order. A statement of its own: it must see what the last holder did."""

FREE = Statement(
    "find_free_sessions",
    """
select w.agent_id, w.id, i.kind, i.accepted_at > now() - %(young)s * interval '1 second' as young
from json_to_recordset(%(keys)s::json) as w(agent_id text, id text)
cross join lateral (select s.lease_token from sessions s
  where s.agent_id = w.agent_id and s.id = w.id offset 0) s
cross join lateral (select i.kind, i.accepted_at from interactions i
  where i.agent_id = w.agent_id and i.session_id = w.id and i.status = 'queued' and i.available_at <= now()
  order by i.seq limit 1) i
where s.lease_token is null
""",
    FreeSession,
)
"""Which of these sessions have due work and no lease, the kind of the first, and whether it is as young as that."""

RENEW = Statement(
    "renew_leases",
    """
with held as (
  select h.* from json_to_recordset(%(leases)s::json) as h(agent_id text, id text, token bigint)
  cross join lateral (select s.lease_token from sessions s
    where s.agent_id = h.agent_id and s.id = h.id offset 0) s
  where s.lease_token = h.token
)
update sessions s set lease_until = now() + %(lease)s * interval '1 second'
from held h where s.agent_id = h.agent_id and s.id = h.id and s.lease_token = h.token
returning s.lease_token as token, s.agent_id, s.id
""",
    _Held,
)
"""Prolongs leases that are still held; returns those."""

RELEASE = Statement(
    "release_leases",
    """
with held as (
  select h.* from json_to_recordset(%(leases)s::json) as h(agent_id text, id text, token bigint)
  cross join lateral (select s.lease_token from sessions s
    where s.agent_id = h.agent_id and s.id = h.id offset 0) s
  where s.lease_token = h.token
)
update sessions s set lease_token = null, lease_worker = null, lease_until = null
from held h where s.agent_id = h.agent_id and s.id = h.id and s.lease_token = h.token
""",
    NoRow,
)
"""Gives leases back without a turn."""

WAKE_SOON = Statement(
    "wake_soon",
    """
update interactions i set wake_at = now()
from json_to_recordset(%(keys)s::json) as w(agent_id text, id text)
where i.agent_id = w.agent_id and i.session_id = w.id and i.status = 'queued' and i.available_at <= now()
""",
    NoRow,
)
"""Makes sessions' due work due for rescue, which looks every second."""

ANNOUNCE = Statement(
    "announce_turn",
    """
update interactions i set started_at = clock_timestamp() from sessions s
where i.id = %(id)s::uuid and i.status = 'queued'
  and s.agent_id = i.agent_id and s.id = i.session_id and s.lease_token = %(token)s
returning i.id
""",
    _Announced,
)
"""Marks a probation session's interaction as started, so that a crash can be laid at its door."""

BODY = Statement("load_body", "select body from interactions where id = %(id)s::uuid", _Body)
"""A large request body."""

MESSAGES = Statement(
    "load_messages",
    """
select role, content, data from (
  select seq, role, content, data from messages
  where agent_id = %(agent)s and session_id = %(session)s and seq >= %(start)s and seq < %(stop)s
  order by seq desc limit %(limit)s
) newest order by seq
""",
    StoredMessage,
)
"""A session's newest messages, oldest first."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one session's turns, proven by `token`."""

    agent_id: str
    session_id: str
    token: int


@dataclass(slots=True)
class ClaimedSession:
    """A leased session with its state (JSON text; None before `setup`) and its due work in order.

    newer_chat: where work is claimed one by one, the chat that waits behind the one claimed.
    """

    lease: Lease
    state: str | None
    version: int
    history_start: int
    message_count: int
    probation: bool
    work: list[Work] = field(default_factory=list)
    large_bodies: set[str] = field(default_factory=set)
    newer_chat: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A session to claim and the most interactions to take of it."""

    agent_id: str
    session_id: str
    limit: int = 100


def claim(
    store: StoreConnection, wanted: Sequence[Wanted], *, token: int, worker_id: int, lease_seconds: float
) -> list[ClaimedSession]:
    """Claim sessions. `token` must be new; it fences every session claimed here.

    A probation session is only taken when it is the only one wanted. Returns the sessions that were claimed, in the
    order wanted. Raises `StoreAwayError`.
    """
    rows = [{"agent_id": one.agent_id, "id": one.session_id, "most": one.limit} for one in wanted]
    keys: dict[str, Any] = {"keys": json_rows(rows), "token": token}
    lease = {"worker": worker_id, "lease": lease_seconds, "alone": len(wanted) == 1}
    statement = LEASE_ONE if len(wanted) == 1 else LEASE
    leased, work = store.fetch_both((statement, keys | lease), (DUE, keys | {"small": SMALL_BODY}))
    found = {
        (row.agent_id, row.id): ClaimedSession(
            Lease(row.agent_id, row.id, token),
            row.state,
            row.version,
            row.history_start,
            row.message_count,
            row.probation,
        )
        for row in leased
    }
    for row in work:
        session = found[row.agent_id, row.session_id]
        session.work.append(_work(row))
        session.newer_chat = row.newer_chat
        if row.has_large_body:
            session.large_bodies.add(row.id)
    return [found[key] for one in wanted if (key := (one.agent_id, one.session_id)) in found]


def renew(store: StoreConnection, leases: Iterable[Lease], lease_seconds: float) -> set[Lease]:
    """Prolong leases. Returns those that are still held. Raises `StoreAwayError`."""
    rows = store.fetch(RENEW, {"leases": _leases(leases), "lease": lease_seconds}, again=True)
    return {Lease(row.agent_id, row.id, row.token) for row in rows}


def release(store: StoreConnection, leases: Iterable[Lease]) -> None:
    """Give leases back; those lost meanwhile are left alone. Raises `StoreAwayError`."""
    store.fetch(RELEASE, {"leases": _leases(leases)}, again=True)


def wake_soon(store: StoreConnection, keys: Iterable[Sequence[str]]) -> None:
    """Have rescue wake sessions, given as `(agent_id, session_id)`, at its next pass. Raises `StoreAwayError`."""
    rows = ({"agent_id": agent_id, "id": session_id} for agent_id, session_id in keys)
    store.fetch(WAKE_SOON, {"keys": json_rows(rows)}, again=True)


def due(store: StoreConnection, keys: Iterable[tuple[str, str]], young: float) -> list[FreeSession]:
    """Which of these sessions have due work that nobody is at.

    young: seconds since when it was accepted to count as that. Raises `StoreAwayError`.
    """
    rows = ({"agent_id": agent_id, "id": session_id} for agent_id, session_id in keys)
    return store.fetch(FREE, {"keys": json_rows(rows), "young": young}, again=True)


def announce(store: StoreConnection, lease: Lease, interaction_id: str) -> bool:
    """Say durably that this interaction starts now. Returns false when the lease is lost. Raises `StoreAwayError`."""
    return bool(store.fetch(ANNOUNCE, {"id": interaction_id, "token": lease.token}, again=True))


def load_body(store: StoreConnection, interaction_id: str) -> bytes:
    """The body of an interaction. Raises `StoreAwayError`."""
    rows = store.fetch(BODY, {"id": interaction_id}, again=True)
    return bytes(rows[0].body or b"") if rows else b""


def load_messages(store: StoreConnection, session: ClaimedSession, limit: int) -> list[StoredMessage]:
    """The newest `limit` messages that the session had when it was claimed. Raises `StoreAwayError`."""
    lease = session.lease
    span = {"start": session.history_start, "stop": session.message_count, "limit": limit}
    return store.fetch(MESSAGES, {"agent": lease.agent_id, "session": lease.session_id, **span}, again=True)


def _work(row: _Due) -> Work:
    body = None if row.body is None else bytes(row.body)
    return Work(
        row.id,
        row.seq,
        row.kind,
        row.name,
        row.payload,
        body,
        row.attempts,
        row.accepted_at,
        row.scheduled_for,
        row.reply_to,
    )


def _leases(leases: Iterable[Lease]) -> str:
    return json_rows({"agent_id": one.agent_id, "id": one.session_id, "token": one.token} for one in leases)
