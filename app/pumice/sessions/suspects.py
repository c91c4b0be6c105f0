"""Suspects: sessions that a worker held when it was lost. They run in groups, each group in a process of its own.

A session is in one of three states, `sessions.probation` and `sessions.suspect_group` say which:

- trusted (`probation` is false): any worker runs it, beside any other.
- in a group (`suspect_group` > 0): it runs in a quarantine process with the others of its group, and with nothing else.
- alone (`suspect_group` < 0): it runs in a quarantine process by itself.

When an ordinary worker is lost, its sessions become one group. When a group's process is lost, what it still held is
split into `PARTS` groups; a group of one is alone. Only when the process of a session that is alone is lost, the
interaction that started last is blamed. A session is trusted again when it has nothing to do that is due: not after its
first turn, as the culprit may be the one behind it.
Who claims is fenced by leases as ever, so that a group that two processes take is merely split between them.
"""

from collections.abc import Sequence
from typing import NamedTuple

from pumice.sessions.connections import StoreConnection
from pumice.sessions.leases import wake_soon
from pumice.sessions.statements import NoRow, Statement

START = 5.0
"""Seconds that a quarantine gets to start."""
SILENCE = 3.0
"""Seconds without a sign of life after which a quarantine has lost its place."""
PARTS = 8
"""Groups into which a group is split whose process was lost."""


class SuspectGroup(NamedTuple):
    """A group that nobody runs, and how many of its sessions have work that is due."""

    id: int
    size: int


class _Place(NamedTuple):
    id: int


class _Member(NamedTuple):
    agent_id: str
    id: str


GROUPS = Statement(
    "list_suspect_groups",
    """
select s.suspect_group as id, count(*) as size from sessions s
where s.probation and s.suspect_group is not null and s.agent_id = any(%(agents)s::text[])
  and (s.blocked_until is null or s.blocked_until <= now())
group by s.suspect_group having bool_and(s.lease_token is null) order by count(*) desc, s.suspect_group limit 100
""",
    SuspectGroup,
)
"""The groups of these agents of which nobody runs anything; the largest first."""

MEMBERS = Statement(
    "list_suspects",
    """
select s.agent_id, s.id from sessions s
where s.probation and s.suspect_group = %(group)s and s.agent_id = any(%(agents)s::text[]) and s.lease_token is null
  and (s.blocked_until is null or s.blocked_until <= now())
  and exists (select from interactions i where i.agent_id = s.agent_id and i.session_id = s.id
    and i.status = 'queued' and i.available_at <= now())
order by s.agent_id, s.id
""",
    _Member,
)
"""The sessions of a group that can be run."""

CLEAR = Statement(
    "clear_suspects",
    """
with idle as (
  select s.agent_id, s.id from sessions s
  where s.probation and s.suspect_group = %(group)s and s.lease_token is null
    and not exists (select from interactions i where i.agent_id = s.agent_id and i.session_id = s.id
      and i.status = 'queued' and i.available_at <= now())
  for update of s skip locked
)
update sessions s set probation = false from idle i where s.agent_id = i.agent_id and s.id = i.id
returning s.agent_id, s.id
""",
    _Member,
)
"""Trusts the sessions of a group that have nothing to do."""

EXPIRE_GROUP = Statement(
    "expire_suspects",
    """
with held as (
  select s.agent_id, s.id from sessions s
  where s.probation and s.suspect_group = %(group)s and s.lease_worker = %(worker)s and s.lease_token is not null
  for update of s skip locked
), expired as (
  update sessions s set lease_until = now() - interval '1 microsecond'
  from held h where s.agent_id = h.agent_id and s.id = h.id returning s.agent_id, s.id
), due as (
  select i.id from interactions i join expired e on i.agent_id = e.agent_id and i.session_id = e.id
  where i.status = 'queued' and i.available_at <= now() for update of i skip locked
)
update interactions i set wake_at = 'epoch' from due d where i.id = d.id
""",
    NoRow,
)
"""Ends the leases of a group's lost process, and has rescue look at them before anything else."""

FORGET = Statement("forget_worker", "delete from workers where id = %(worker)s", NoRow)
"""Removes the row of a process that has ended."""


SILENT = Statement(
    "list_silent_workers",
    """
select id from workers where name not like 'quarantine%%' and seen_at < now() - %(silence)s * interval '1 second'
  and seen_at > now() - interval '30 seconds'
""",
    _Place,
)
"""Workers that have just fallen silent."""

TAKE_PLACE = Statement(
    "take_quarantine_place",
    """
insert into workers (name, holds_lock, agents, seen_at)
select %(name)s, false, '{}', now() + %(start)s * interval '1 second'
where not exists (select from workers where name = %(name)s and seen_at > now() - %(silence)s * interval '1 second')
returning id
""",
    _Place,
)
"""Notes a new quarantine for these agents, unless one lives. It has some time to start."""


def is_expected(store: StoreConnection) -> bool:
    """Whether suspects wait soon: a worker is silent, and its leases run out. Raises `StoreAwayError`."""
    return bool(store.fetch(SILENT, {"silence": SILENCE}, again=True))


def take_place(store: StoreConnection, agents: Sequence[str]) -> int | None:
    """Take the place of the one quarantine of these agents. Returns its id; None when another lives.

    That one lives as long as it is seen: one that is suspended must not keep the others from running what it holds.
    Raises `StoreAwayError`.
    """
    place = {"name": f"quarantine of {','.join(sorted(agents))}", "start": START, "silence": SILENCE}
    rows = store.fetch(TAKE_PLACE, place)
    return rows[0].id if rows else None


def give_place(store: StoreConnection, place: int) -> None:
    """Give that place back. Raises `StoreAwayError`."""
    store.fetch(FORGET, {"worker": place}, again=True)


def list_groups(store: StoreConnection, agents: Sequence[str]) -> list[SuspectGroup]:
    """The groups that wait for a process. Raises `StoreAwayError`."""
    return store.fetch(GROUPS, {"agents": list(agents)}, again=True)


def list_members(store: StoreConnection, group: int, agents: Sequence[str]) -> list[tuple[str, str]]:
    """The sessions of a group that can be run, as `(agent_id, session_id)`. Raises `StoreAwayError`."""
    rows = store.fetch(MEMBERS, {"group": group, "agents": list(agents)}, again=True)
    return [(row.agent_id, row.id) for row in rows]


def clear(store: StoreConnection, group: int) -> None:
    """Trust the sessions of a group that have nothing to do. Raises `StoreAwayError`.

    Rescue wakes what came at that very moment: a worker may have passed it by as a suspect's.
    """
    if idle := store.fetch(CLEAR, {"group": group}, again=True):
        wake_soon(store, [(row.agent_id, row.id) for row in idle])


def group_ended(store: StoreConnection, group: int, worker_id: int, *, lost: bool) -> None:
    """Note that a group's process has ended. Raises `StoreAwayError`.

    lost: it died, and what it held is to be split; otherwise what has nothing left to do is trusted.
    """
    if lost:
        store.fetch(EXPIRE_GROUP, {"group": group, "worker": worker_id}, again=True)
    else:
        clear(store, group)
    store.fetch(FORGET, {"worker": worker_id}, again=True)
