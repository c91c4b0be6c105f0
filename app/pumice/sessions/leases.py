"""Leases: keep them, give them back, and say what starts under them."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, TypeVar

from pumice.errors import StoreBusyError
from pumice.sessions.connections import StoreConnection
from pumice.sessions.parameters import json_rows
from pumice.sessions.statements import NoRow, Statement

GROUP = 200
"""Leases that one statement names at the most."""

T = TypeVar("T")


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
with held as materialized (
  select h.* from json_to_recordset(%(leases)s::json) as h(agent_id text, id text, token bigint)
  cross join lateral (select s.lease_token from sessions s
    where s.agent_id = h.agent_id and s.id = h.id offset 0) s
  where s.lease_token = h.token
), free as (
  select h.* from held h cross join lateral (select true from sessions s
    where s.agent_id = h.agent_id and s.id = h.id and s.lease_token = h.token for update skip locked) s
), renewed as (
  update sessions s set lease_until = now() + %(lease)s * interval '1 second'
  from free f where s.agent_id = f.agent_id and s.id = f.id and s.lease_token = f.token
)
select token, agent_id, id from held
""",
    _Held,
)
"""Prolongs leases that are still held; returns those.

Skips a row that another transaction has locked, or one request would end all leases of a worker. Its lease counts as
held: the next renewal tells.
"""

RELEASE = Statement(
    "release_leases",
    """
with held as (
  select h.* from json_to_recordset(%(leases)s::json) as h(agent_id text, id text, token bigint)
  cross join lateral (select s.lease_token from sessions s
    where s.agent_id = h.agent_id and s.id = h.id offset 0) s
  where s.lease_token = h.token
), free as (
  select h.* from held h cross join lateral (select true from sessions s
    where s.agent_id = h.agent_id and s.id = h.id and s.lease_token = h.token for update skip locked) s
), released as (
  update sessions s set lease_token = null, lease_worker = null, lease_until = null
  from free f where s.agent_id = f.agent_id and s.id = f.id and s.lease_token = f.token
  returning s.agent_id, s.id
)
select h.token, h.agent_id, h.id from held h left join released r using (agent_id, id) where r.id is null
""",
    _Held,
)
"""Gives leases back without a turn; returns those whose rows another transaction has locked."""

RELEASE_ONE = Statement(
    "release_lease",
    """
update sessions set lease_token = null, lease_worker = null, lease_until = null
where agent_id = %(agent_id)s and id = %(session_id)s and lease_token = %(token)s
""",
    NoRow,
)
"""Gives one lease back, and waits for its row: nobody would look at it again before it runs out."""

WAKE_SOON = Statement(
    "wake_soon",
    """
with due as (
  select i.id from json_to_recordset(%(keys)s::json) as w(agent_id text, id text)
  join interactions i on i.agent_id = w.agent_id and i.session_id = w.id
  where i.status = 'queued' and i.available_at <= now() for update of i skip locked
)
update interactions i set wake_at = now() from due d where i.id = d.id
""",
    NoRow,
)
"""Makes sessions' due work due for rescue, which looks every second. Skips what another transaction has locked."""

ANNOUNCE_RUNNING = Statement(
    "announce_running",
    """
with held as (
  select r.id::uuid as id from json_to_recordset(%(running)s::json)
    as r(id text, agent_id text, session_id text, token bigint)
  cross join lateral (select s.lease_token from sessions s
    where s.agent_id = r.agent_id and s.id = r.session_id offset 0) s
  where s.lease_token = r.token
), free as (
  select h.* from held h cross join lateral (select true from interactions i
    where i.id = h.id and i.status = 'queued' and i.started_at is null for update skip locked) i
)
update interactions i set started_at = clock_timestamp() from free f where i.id = f.id
""",
    NoRow,
)
"""Marks as started what runs already, for those who look. Skips what another transaction has locked."""

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
    held: set[Lease] = set()
    for some in _groups(leases):
        rows = store.fetch(RENEW, {"leases": _leases(some), "lease": lease_seconds}, again=True)
        held.update(Lease(row.agent_id, row.id, row.token) for row in rows)
    return held


def release(store: StoreConnection, leases: Iterable[Lease]) -> None:
    """Give leases back; those lost meanwhile are left alone. Raises `StoreAwayError`.

    A row that stays locked for longer than the connection waits is left: its lease runs out.
    """
    locked: list[_Held] = []
    for some in _groups(leases):
        locked += store.fetch(RELEASE, {"leases": _leases(some)}, again=True)
    for row in locked:
        with suppress(StoreBusyError):
            store.fetch(RELEASE_ONE, {"agent_id": row.agent_id, "session_id": row.id, "token": row.token}, again=True)


def wake_soon(store: StoreConnection, keys: Iterable[Sequence[str]]) -> None:
    """Have rescue wake sessions, given as `(agent_id, session_id)`, at its next pass. Raises `StoreAwayError`."""
    rows = ({"agent_id": agent_id, "id": session_id} for agent_id, session_id in keys)
    store.fetch(WAKE_SOON, {"keys": json_rows(rows)}, again=True)


def announce_running(store: StoreConnection, running: Iterable[tuple[Lease, str]]) -> None:
    """Say durably that turns run, given as lease and interaction id.

    What is not under its lease any more is left alone. Raises `StoreAwayError`.
    """
    for some in _groups(running):
        rows = (
            {"id": one, "agent_id": lease.agent_id, "session_id": lease.session_id, "token": lease.token}
            for lease, one in some
        )
        store.fetch(ANNOUNCE_RUNNING, {"running": json_rows(rows)}, again=True)


def announce(store: StoreConnection, lease: Lease, interaction_id: str) -> bool:
    """Say durably that this interaction starts now. Returns false when the lease is lost. Raises `StoreAwayError`."""
    return bool(store.fetch(ANNOUNCE, {"id": interaction_id, "token": lease.token}, again=True))


def _groups(items: Iterable[T]) -> Iterator[tuple[T, ...]]:
    rest = iter(items)
    while group := tuple(islice(rest, GROUP)):
        yield group


def _leases(leases: Iterable[Lease]) -> str:
    return json_rows({"agent_id": one.agent_id, "id": one.session_id, "token": one.token} for one in leases)
