"""Leases: keep them, give them back, and say what starts under them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pumice.sessions.connections import StoreConnection
from pumice.sessions.parameters import json_rows
from pumice.sessions.statements import NoRow, Statement


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one session's turns, proven by `token`."""

    agent_id: str
    session_id: str
    token: int


class _Held(NamedTuple):
    token: int
    agent_id: str
    id: str


class _Announced(NamedTuple):
    id: str


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


def announce(store: StoreConnection, lease: Lease, interaction_id: str) -> bool:
    """Say durably that this interaction starts now. Returns false when the lease is lost. Raises `StoreAwayError`."""
    return bool(store.fetch(ANNOUNCE, {"id": interaction_id, "token": lease.token}, again=True))


def _leases(leases: Iterable[Lease]) -> str:
    return json_rows({"agent_id": one.agent_id, "id": one.session_id, "token": one.token} for one in leases)
