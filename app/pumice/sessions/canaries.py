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
    """An agent's canary. workers: how many of its release are there."""

    agent_id: str
    release: str
    share: int
    created_at: datetime
    workers: int


class _Agent(NamedTuple):
    agent_id: str


LIST = Statement(
    "list_canaries",
    """
select c.agent_id, c.release, c.share, c.created_at, (select count(*) from workers w where w.release = c.release
  and w.seen_at > clock_timestamp() - %(alive)s * interval '1 second'
  and (w.agents is null or c.agent_id = any(w.agents)))::int as workers
from canaries c order by c.agent_id
""",
    Canary,
)
"""All canaries."""

START = Statement(
    "start_canary",
    """
insert into canaries (agent_id, release, share) values (%(agent)s, %(release)s, %(share)s)
on conflict (agent_id) do update set release = excluded.release, share = excluded.share, created_at = now()
""",
    NoRow,
)
"""Sends a share of an agent's sessions to a release; there is one canary of an agent at a time."""

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


def read(store: StoreConnection, agent_id: str) -> Canary:
    """An agent's canary. Raises `UnknownCanary`."""
    for one in list_(store):
        if one.agent_id == agent_id:
            return one
    raise UnknownCanary


def start(store: StoreConnection, agent_id: str, share: Share) -> None:
    """Have workers of a release run a share of an agent's sessions, instead of any other canary."""
    store.fetch(START, {"agent": agent_id, "release": share.release, "share": share.parts})


def stop(store: StoreConnection, agent_id: str) -> None:
    """Have the stable workers run all sessions again. Raises `UnknownCanary`."""
    if not store.fetch(STOP, {"agent": agent_id}):
        raise UnknownCanary
