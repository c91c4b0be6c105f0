"""Canaries in Postgres: which share of an agent's sessions workers of which release run."""

from datetime import datetime
from typing import NamedTuple

from pumice.agents.releases import Share
from pumice.errors import UnknownCanary
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.statements import NoRow, Statement

ALIVE = 15.0
"""Seconds since its last sign after which a worker is not counted on."""
NAME = "canary:"
"""Begins the names of the snapshots that are taken before a canary begins."""


class Canary(NamedTuple):
    """An agent's canary. workers: how many of its release are there.

    snapshot: the name of the points from before it began, if they were named. most: the largest share that it had.
    A share of 0: its sessions are given back and not all restored.
    """

    agent_id: str
    release: str
    share: int
    snapshot: str | None
    most: int
    created_at: datetime
    workers: int


class _Agent(NamedTuple):
    agent_id: str


class _Time(NamedTuple):
    at: datetime


class _Behind(NamedTuple):
    n: int


LIST = Statement(
    "list_canaries",
    """
select c.agent_id, c.release, c.share, c.snapshot, c.most, c.created_at, (select count(*) from workers w
  where w.release = c.release and w.seen_at > clock_timestamp() - %(alive)s * interval '1 second'
  and (w.agents is null or c.agent_id = any(w.agents)))::int as workers
from canaries c order by c.agent_id
""",
    Canary,
)
"""All canaries."""

NOW = Statement("read_clock_before_canaries", "select clock_timestamp() as at", _Time)
"""The time by Postgres's clock."""

START = Statement(
    "start_canary",
    """
insert into canaries (agent_id, release, share, snapshot, most)
values (%(agent)s, %(release)s, %(share)s, %(snapshot)s, %(share)s)
on conflict (agent_id) do update set release = excluded.release, share = excluded.share, created_at = now(),
  snapshot = case when canaries.release = excluded.release then coalesce(excluded.snapshot, canaries.snapshot)
    else excluded.snapshot end,
  most = case when canaries.release = excluded.release then greatest(canaries.most, excluded.most)
    else excluded.most end
""",
    NoRow,
)
"""Sends a share of an agent's sessions to a release; there is one canary of an agent at a time."""

GIVE_BACK = Statement(
    "give_canarys_sessions_back",
    "update canaries set share = 0 where agent_id = %(agent)s returning clock_timestamp() as at",
    _Time,
)
"""Has the stable workers run all sessions again, and keeps what tells how to restore them."""

BEHIND = Statement(
    "count_workers_behind",
    """
select count(*) as n from workers w where w.release = %(release)s
  and w.seen_at > clock_timestamp() - %(alive)s * interval '1 second'
  and (w.agents is null or %(agent)s = any(w.agents)) and (w.looked_at is null or w.looked_at <= %(since)s)
""",
    _Behind,
)
"""How many workers of a release may not know yet what became of a canary at that time."""

STOP = Statement("stop_canary", "delete from canaries where agent_id = %(agent)s returning agent_id", _Agent)
"""Has the stable workers run all of an agent's sessions again."""


WORKERS = Statement(
    "find_workers_of_release",
    """
select release as agent_id from workers
where release = %(release)s and seen_at > clock_timestamp() - %(alive)s * interval '1 second' limit 1
""",
    _Agent,
)
"""Whether a release has workers."""


def has_workers(transaction: Transaction, release: str) -> bool:
    """Whether workers of a release are there."""
    return bool(transaction.fetch(WORKERS, {"release": release, "alive": ALIVE}))


def list_(store: StoreConnection) -> list[Canary]:
    """All canaries, by agent."""
    return store.fetch(LIST, {"alive": ALIVE})


def look(store: StoreConnection) -> tuple[datetime, list[Canary]]:
    """All canaries, and a time before they were read, by Postgres's clock."""
    now, found = store.fetch_both((NOW, ()), (LIST, {"alive": ALIVE}))
    return now[0].at, found


def find(store: StoreConnection, agent_id: str) -> Canary | None:
    """An agent's canary, also one whose sessions are to be restored."""
    return next((one for one in list_(store) if one.agent_id == agent_id), None)


def read(store: StoreConnection, agent_id: str) -> Canary:
    """An agent's canary. Raises `UnknownCanary`."""
    found = find(store, agent_id)
    if found is None or not found.share:
        raise UnknownCanary
    return found


def start(store: StoreConnection, agent_id: str, share: Share, *, snapshot: str | None = None) -> None:
    """Have workers of a release run a share of an agent's sessions, instead of any other canary.

    snapshot: the name of the points at which they stand. One that the same release has already is kept.
    """
    key = {"agent": agent_id, "release": share.release, "share": share.parts, "snapshot": snapshot}
    store.fetch(START, key)


def give_back(store: StoreConnection, agent_id: str) -> datetime:
    """Have the stable workers run all sessions again, and keep what tells how to restore them.

    Returns when, by Postgres's clock; see `is_known`. Raises `UnknownCanary`.
    """
    found = store.fetch(GIVE_BACK, {"agent": agent_id})
    if not found:
        raise UnknownCanary
    return found[0].at


def is_known(store: StoreConnection, canary: Canary, since: datetime) -> bool:
    """Whether all workers of a canary's release looked at the canaries after that time."""
    key = {"release": canary.release, "agent": canary.agent_id, "alive": ALIVE, "since": since}
    return store.fetch(BEHIND, key)[0].n == 0


def snapshot_name(release: str, now: datetime) -> str:
    """The name for the points before a canary begins: no two canaries have the same."""
    return f"{NAME}{release}:{now:%Y%m%dT%H%M%S%f}"


def stop(store: StoreConnection, agent_id: str) -> None:
    """Have the stable workers run all sessions again. Raises `UnknownCanary`."""
    if not store.fetch(STOP, {"agent": agent_id}):
        raise UnknownCanary
