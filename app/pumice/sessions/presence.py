"""The presence of worker processes: a row each and, unless connections are pooled, an advisory lock.

The lock is held while the process and its connection live, so that rescue sees at once when it is gone.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import NoRow, Statement

WORKER_LOCKS = 7_864_225
"""First key of the advisory locks that worker processes hold; the second is the worker's id."""
PUT_OFF = 60.0
"""Seconds that due work is put off at the most when somebody serves its agent."""


class _Id(NamedTuple):
    id: int


class _Taken(NamedTuple):
    taken: str


class _Served(NamedTuple):
    agent_id: str


class _Locked(NamedTuple):
    locked: bool


REGISTER = Statement(
    "register_worker",
    "insert into workers (name, holds_lock, agents, release) "
    "values (%(name)s, %(lock)s, %(agents)s::text[], %(release)s) returning id",
    _Id,
)
"""A new worker process."""

LOCK = Statement("hold_worker_lock", "select pg_advisory_lock(%s, %s::bigint::int)::text as taken", _Taken)
"""Held while the process and its connection live, so that rescue sees at once when it is gone."""

TAKE_BACK = Statement(
    "take_worker_lock", "select pg_try_advisory_lock(%s, id::int) as locked from workers where id = %s", _Locked
)
"""Takes the lock again after a lost connection; no row: the worker was given up, and its leases with it."""

SEEN = Statement(
    "worker_seen",
    """
update workers set seen_at = now(), looked_at = coalesce(%(looked_at)s::timestamptz, looked_at) where id = %(id)s
returning id
""",
    _Id,
)
"""Says that the worker lives, and when it last looked at the canaries."""

SERVED_AGENTS = Statement(
    "list_served_agents",
    """
select distinct unnest(agents) as agent_id from workers where agents is not null
  and not exists (select from workers where agents is null)
""",
    _Served,
)
"""The agents of all workers; none while an older release's worker is there, of which nobody knows what it serves."""

BRING_BACK = Statement(
    "bring_back",
    """
with far as (
  select id from interactions where status = 'queued' and wake_at > now() + %(soon)s * interval '1 second'
    and available_at <= now() and agent_id = any(%(agents)s::text[]) for update skip locked
)
update interactions i set wake_at = now() from far f where i.id = f.id
""",
    NoRow,
)
"""Makes the work of these agents due for rescue that was put off because nobody served them."""


def register(store: StoreConnection, name: str, *, holds_lock: bool, agents: Sequence[str], release: str = "") -> int:
    """Note a new worker process, its release and the agents it serves, and take its lock. Returns its id.

    Raises `StoreAwayError`.
    """
    with store.transaction() as transaction:
        worker = {"name": name, "lock": holds_lock, "agents": list(agents), "release": release}
        worker_id = transaction.fetch(REGISTER, worker)[0].id
        if holds_lock:
            transaction.fetch(LOCK, (WORKER_LOCKS, worker_id))
    return worker_id


def take_back(store: StoreConnection, worker_id: int) -> bool | None:
    """Take a worker's lock again on a new connection. Returns whether it is held; None when the worker was given up.

    Raises `StoreAwayError`.
    """
    rows = store.fetch(TAKE_BACK, (WORKER_LOCKS, worker_id))
    return rows[0].locked if rows else None


def seen(store: StoreConnection, worker_id: int, looked_at: datetime | None = None) -> bool:
    """Say that the worker lives. Returns false when it was given up. Raises `StoreAwayError`.

    looked_at: when it last looked at the canaries, if it does.
    """
    return bool(store.fetch(SEEN, {"id": worker_id, "looked_at": looked_at}))


def bring_back(store: StoreConnection, agents: Sequence[str]) -> None:
    """Have rescue look at what waits for agents that a new worker serves. Raises `StoreAwayError`."""
    store.fetch(BRING_BACK, {"agents": list(agents), "soon": PUT_OFF}, again=True)
