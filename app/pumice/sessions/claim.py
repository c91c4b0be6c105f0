"""Claim: take the leases of sessions with due work, and that work, in one round trip; keep or give back leases.

The statements are prepared once and planned without looking at the tables' sizes (see `connections`). `offset 0` keeps
the planner from turning a look-up by key for each session into one pass over all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString, NamedTuple

from pumice.agents.turn import Work
from pumice.sessions.accept import ACCEPT
from pumice.sessions.connections import StoreConnection
from pumice.sessions.deltas import apply, unpack
from pumice.sessions.leases import Lease
from pumice.sessions.parameters import json_rows
from pumice.sessions.statements import Parameters, Statement

TRUSTED = 0
"""The group of all sessions that are no suspects."""
SMALL_BODY = 65_536
"""Bytes up to which a request's body comes with its claim; larger ones are read when their turn starts."""


class Leased(NamedTuple):
    """A session's row as it is when it is leased."""

    agent_id: str
    id: str
    state: str | None
    state_delta: bytes | None
    base: bytes | None
    keyframe: int | None
    state_version: int
    version: int
    history_start: int
    message_count: int
    transcript: list[list[int]] | None
    quiet: bool
    probation: bool
    timezone: str | None


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
    crashes: int
    answers: str | None
    newer_chat: str | None


SESSION_COLUMNS: LiteralString = """
  s.agent_id, s.id, case when not s.stale then s.state::text end as state,
  case when s.stale then s.state_delta end as state_delta, s.base, s.keyframe, s.state_version, s.version,
  s.history_start, s.message_count, s.transcript, s.quiet, s.probation, s.timezone
"""
"""What a turn needs of its session: the fields of `Leased`."""
READY: LiteralString = """
with ready as (
  select s.agent_id, s.id from json_to_recordset(%(keys)s::json) as w(agent_id text, id text)
  join sessions s on s.agent_id = w.agent_id and s.id = w.id
  where (s.lease_token is null or s.lease_token = %(token)s) and (s.blocked_until is null or s.blocked_until <= now())
    and case when s.probation then s.suspect_group = %(group)s else %(group)s = 0 end
    and (select true from interactions i where i.agent_id = s.agent_id and i.session_id = s.id
      and i.status = 'queued' and i.available_at <= now() order by i.seq limit 1)
  order by s.agent_id, s.id for update of s"""
TAKE: LiteralString = (
    """
)
update sessions s set lease_token = %(token)s, lease_worker = %(worker)s,
  lease_until = now() + %(lease)s * interval '1 second', leased_at = now()
from ready r where s.agent_id = r.agent_id and s.id = r.id
returning """
    + SESSION_COLUMNS
)

LEASE = Statement("lease_sessions", READY + " skip locked" + TAKE, Leased)
"""Leases those named sessions that nobody holds and that have due work; skips what another transaction has locked.

A repetition, after its connection was lost, finds the sessions that the first try leased.
"""

LEASE_ONE = Statement("lease_session", READY + TAKE, Leased)
"""Leases one session, and waits for its lock: a request may hold it for a moment, and nobody would look at this session
again.

The connection's lock_timeout bounds that: a request stopped in the middle of its transaction must not hold up a worker.
"""

DUE = Statement(
    "load_due_work",
    """
select i.* from json_to_recordset(%(keys)s::json) as w(agent_id text, id text, most int)
cross join lateral (select s.lease_token, s.quiet from sessions s
  where s.agent_id = w.agent_id and s.id = w.id offset 0) s
cross join lateral (
  select i.id::text as id, i.agent_id, i.session_id, i.seq, i.kind, i.name, i.payload::text as payload,
    case when octet_length(i.body) <= %(small)s then i.body end as body,
    octet_length(i.body) > %(small)s as has_large_body, i.attempts, i.accepted_at, i.scheduled_for, i.reply_to,
    i.crashes, case when s.quiet then coalesce(i.recording::text, '') end as answers,
    case when w.most = 1 and i.kind = 'chat' then (
      select n.id::text from interactions n
      where n.agent_id = w.agent_id and n.session_id = w.id and n.status = 'queued' and n.kind = 'chat'
        and n.seq > i.seq and n.available_at <= now() order by n.seq limit 1) end as newer_chat
  from interactions i
  where i.agent_id = w.agent_id and i.session_id = w.id and i.status = 'queued' and i.available_at <= now()
  order by i.seq limit w.most
) i where s.lease_token = %(token)s order by i.seq
""",
    _Due,
)
"""The due work of the sessions just leased, in order. A statement of its own: it must see what the last holder did."""


@dataclass(slots=True)
class ClaimedSession:
    """A leased session with its state (JSON text; None before `setup`) and its due work in order.

    base: its keyframe, compressed, from which a state that is stale in its row differs by `state_delta`.
    transcript: what comes before its own messages, see `SessionRow`.
    newer_chat: where work is claimed one by one, the chat that waits behind the one claimed.
    """

    lease: Lease
    state: str | None
    state_delta: bytes | None
    base: bytes | None
    keyframe: int | None
    state_version: int
    version: int
    history_start: int
    message_count: int
    transcript: list[list[int]] | None
    quiet: bool
    probation: bool
    timezone: str | None
    work: list[Work] = field(default_factory=list)
    large_bodies: set[str] = field(default_factory=set)
    newer_chat: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A session to claim and the most interactions to take of it."""

    agent_id: str
    session_id: str
    limit: int = 100


def claim(  # noqa: PLR0913 (each is a part of the claim)
    store: StoreConnection,
    wanted: Sequence[Wanted],
    *,
    token: int,
    worker_id: int,
    lease_seconds: float,
    group: int = TRUSTED,
    accepting: Parameters | None = None,
) -> list[ClaimedSession]:
    """Claim sessions. `token` must be new; it fences every session claimed here.

    Only sessions of that group of suspects are taken, or only trusted ones. accepting: parameters of `ACCEPT`, for work
    that is accepted just before, in the same transaction. Returns the sessions that were claimed, in the order wanted.
    Raises `StoreAwayError`.
    """
    rows = [{"agent_id": one.agent_id, "id": one.session_id, "most": one.limit} for one in wanted]
    keys: dict[str, Any] = {"keys": json_rows(rows), "token": token}
    lease = {"worker": worker_id, "lease": lease_seconds, "group": group}
    statement = LEASE_ONE if len(wanted) == 1 else LEASE
    leased, work = store.fetch_both(
        (statement, keys | lease),
        (DUE, keys | {"small": SMALL_BODY}),
        before=None if accepting is None else (ACCEPT, accepting),
    )
    found = {(row.agent_id, row.id): claimed_session(row, token) for row in leased}
    for row in work:
        session = found[row.agent_id, row.session_id]
        session.work.append(_work(row))
        session.newer_chat = row.newer_chat
        if row.has_large_body:
            session.large_bodies.add(row.id)
    return [found[key] for one in wanted if (key := (one.agent_id, one.session_id)) in found]


def claimed_session(row: Leased, token: int) -> ClaimedSession:
    """The session of a row that was leased with this token, without its work."""
    state, base, delta = row.state, row.base, row.state_delta
    if base is not None and delta is not None:
        state = apply(unpack(base), delta).decode()
    return ClaimedSession(Lease(row.agent_id, row.id, token), state, delta, base, *row[5:])


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
        row.crashes,
        row.answers,
    )
