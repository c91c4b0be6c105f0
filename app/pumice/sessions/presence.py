"""The presence of worker processes: a row each and, unless connections are pooled, an advisory lock.

The lock is held while the process and its connection live, so that rescue sees at once when it is gone.
"""

from typing import NamedTuple

from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import Statement

WORKER_LOCKS = 7_864_225
"""First key of the advisory locks that worker processes hold; the second is the worker's id."""


class _Id(NamedTuple):
    id: int


class _Taken(NamedTuple):
    taken: str


class _Locked(NamedTuple):
    locked: bool


REGISTER = Statement(
    "register_worker", "insert into workers (name, holds_lock) values (%(name)s, %(lock)s) returning id", _Id
)
"""A new worker process."""

LOCK = Statement("hold_worker_lock", "select pg_advisory_lock(%s, %s::bigint::int)::text as taken", _Taken)
"""Held while the process and its connection live, so that rescue sees at once when it is gone."""

TAKE_BACK = Statement(
    "take_worker_lock", "select pg_try_advisory_lock(%s, id::int) as locked from workers where id = %s", _Locked
)
"""Takes the lock again after a lost connection; no row: the worker was given up, and its leases with it."""

SEEN = Statement("worker_seen", "update workers set seen_at = now() where id = %s returning id", _Id)
"""Says that the worker lives."""


def register(store: StoreConnection, name: str, *, holds_lock: bool) -> int:
    """Note a new worker process, and take its lock. Returns its id. Raises `StoreAwayError`."""
    with store.transaction() as transaction:
        worker_id = transaction.fetch(REGISTER, {"name": name, "lock": holds_lock})[0].id
        if holds_lock:
            transaction.fetch(LOCK, (WORKER_LOCKS, worker_id))
    return worker_id


def take_back(store: StoreConnection, worker_id: int) -> bool | None:
    """Take a worker's lock again on a new connection. Returns whether it is held; None when the worker was given up.

    Raises `StoreAwayError`.
    """
    rows = store.fetch(TAKE_BACK, (WORKER_LOCKS, worker_id))
    return rows[0].locked if rows else None


def seen(store: StoreConnection, worker_id: int) -> bool:
    """Say that the worker lives. Returns false when it was given up. Raises `StoreAwayError`."""
    return bool(store.fetch(SEEN, (worker_id,)))
