"""Rescue: find expired leases, lost workers, due work that nobody woke, and expired rows. One rescuer at a time.

Everything starts from the index of queued interactions by `wake_at`: whatever is due there is either woken, or its
session is leased (look again later), or its lease has expired (a crash). So no index on leases is needed.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from pumice.errors import StoreBusyError
from pumice.sessions.connections import StoreConnection
from pumice.sessions.orphans import Orphan, settle_orphans
from pumice.sessions.presence import PUT_OFF, SERVED_AGENTS, WORKER_LOCKS
from pumice.sessions.statements import NoRow, Statement
from pumice.sessions.suspects import PARTS

ELECTION = 7_864_224
BATCH = 2_000
LOOK_AGAIN = 1.0
"""Seconds after which a leased session is looked at again."""
WAKE_AGAIN = 10.0
WAKE_AGAIN_MOST = PUT_OFF
"""Seconds after which a session is woken again, at first and when it has waited for long: a backlog is not doubled."""
UNSERVED = 300.0
"""Seconds after which work is looked at again that no live worker serves; a worker that serves it brings it back."""
MOST_RUN = 400
"""Interactions of one session that may have started under one lease."""
SUSPICION = 1.5
"""Seconds that a worker's lock must be gone before the worker counts as dead."""


class _Elected(NamedTuple):
    elected: bool


class _Value(NamedTuple):
    value: str


class _Lost(NamedTuple):
    id: int


class _Due(NamedTuple):
    id: Any
    agent_id: str
    session_id: str
    kind: str
    missing: bool
    lease_token: int | None
    expired: bool | None
    probation: bool | None


class Blamed(NamedTuple):
    """An interaction whose worker was lost while it ran, and what became of it."""

    id: str
    agent_id: str
    session_id: str
    kind: str
    status: str
    reply_to: str | None
    attempts: int


ELECT = Statement("elect_rescuer", "select pg_try_advisory_xact_lock(%s) as elected", _Elected)
"""One rescuer at a time, until its transaction ends."""

SUSPECT = Statement(
    "suspect_workers",
    """
update workers w set suspected_at = case when l.objid is null then coalesce(w.suspected_at, now()) end
from workers x left join pg_locks l on l.locktype = 'advisory' and l.classid = %(locks)s::bigint::oid
  and l.objid = x.id::oid and l.objsubid = 2 and l.granted
  and l.database = (select oid from pg_database where datname = current_database())
where w.id = x.id and w.holds_lock and (l.objid is null) <> (w.suspected_at is not null)
""",
    NoRow,
)
"""Notes which workers' locks are gone, and clears those that came back."""

BURY = Statement(
    "bury_workers",
    """
delete from workers where (holds_lock and suspected_at < now() - %(suspicion)s * interval '1 second')
  or seen_at < now() - interval '1 day'
returning id
""",
    _Lost,
)
"""Removes workers whose lock stayed away; returns their ids."""

EXPIRE = Statement(
    "expire_leases",
    """
with lost as (
  select s.agent_id, s.id from (select distinct agent_id, session_id from interactions where status = 'queued') q
  join sessions s on s.agent_id = q.agent_id and s.id = q.session_id
  where s.lease_worker = any(%(workers)s::bigint[]) and s.lease_token is not null for update of s skip locked
), held as (
  update sessions s set lease_until = now() - interval '1 microsecond'
  from lost l where s.agent_id = l.agent_id and s.id = l.id
  returning s.agent_id, s.id
), due as (
  select i.id from interactions i join held h on i.agent_id = h.agent_id and i.session_id = h.id
  where i.status = 'queued' and i.available_at <= now() for update of i skip locked
)
update interactions i set wake_at = 'epoch' from due d where i.id = d.id
""",
    NoRow,
)
"""Ends the leases of dead workers, and has rescue look at their sessions before any backlog.

Skips a row that another transaction has locked: its lease runs out by itself.
"""

DUE = Statement(
    "list_due_wakes",
    """
select i.id, i.agent_id, i.session_id, i.kind, s.id is null as missing, s.lease_token,
  s.lease_until < now() as expired, s.probation
from (select id, agent_id, session_id, kind, wake_at from interactions
  where status = 'queued' and wake_at > '-infinity' and wake_at <= now()
  order by wake_at limit %(batch)s for update skip locked) i
left join sessions s on s.agent_id = i.agent_id and s.id = i.session_id
order by i.wake_at
""",
    _Due,
)
"""Queued work whose time to be woken has come, with what is known of its session's lease."""

HASTE = Statement("wait_little", "select set_config('lock_timeout', '200ms', true) as value", _Value)
"""Has this transaction give up soon on what another one has locked."""

BREAK = Statement(
    "break_leases",
    """
with broken as (
  select s.agent_id, s.id, s.lease_worker, s.leased_at, s.probation and s.suspect_group < 0 as alone,
    case when s.probation then s.suspect_group end as old_group
  from sessions s join unnest(%(agents)s::text[], %(sessions)s::text[]) as w(agent_id, id) using (agent_id, id)
  where s.lease_token is not null and s.lease_until < now()
  order by s.agent_id, s.id for update of s skip locked
), placed as (
  select b.*, (row_number() over (fellows order by agent_id, id) - 1)
    * case when old_group is null then 1 else %(parts)s end / count(*) over fellows as part
  from broken b window fellows as (partition by old_group, lease_worker)
), groups as materialized (
  select old_group, lease_worker, part, nextval('suspect_groups') * case when size = 1 then -1 else 1 end as new_group
  from (select old_group, lease_worker, part, count(*) as size from placed group by 1, 2, 3) parts
), freed as (
  update sessions s set lease_token = null, lease_worker = null, lease_until = null, probation = true,
    suspect_group = g.new_group
  from placed p join groups g on g.part = p.part and g.old_group is not distinct from p.old_group
    and g.lease_worker is not distinct from p.lease_worker
  where s.agent_id = p.agent_id and s.id = p.id
  returning s.agent_id, s.id, p.alone, p.leased_at
), ran as (
  select i.*, f.alone, row_number() over (partition by i.agent_id, i.session_id order by i.seq) = 1 as is_head,
    row_number() over (partition by i.agent_id, i.session_id
      order by i.started_at >= f.leased_at desc nulls last, i.started_at desc, i.seq desc) = 1 as is_last,
    coalesce(i.started_at >= f.leased_at, false) as has_started
  from freed f cross join lateral (
    select i.id, i.agent_id, i.session_id, i.seq, i.errors, i.attempts, i.started_at from interactions i
    where i.agent_id = f.agent_id and i.session_id = f.id and i.status = 'queued' and i.available_at <= now()
    order by i.seq limit %(most)s for update skip locked) i
), blamed as (
  select r.*, r.alone and r.is_last as guilty,
    1 + (select count(*) filter (where e ->> 'code' = 'worker-lost')
      - coalesce(max(lost) filter (where e ->> 'code' = 'retried'), 0)
    from (select e, count(*) filter (where e ->> 'code' = 'worker-lost') over (order by place) as lost
      from jsonb_array_elements(coalesce(r.errors, '[]')) with ordinality as all_errors(e, place)) counted) as lone
  from ran r where r.has_started or (r.is_head and not r.alone)
)
update interactions i set attempts = b.attempts + 1, crashes = i.crashes + 1, started_at = null,
  status = case when b.guilty and b.lone >= %(crash_limit)s then 'dead' else 'queued' end,
  reason = case when b.guilty and b.lone >= %(crash_limit)s
    then 'dead after ' || (b.attempts + 1) || ' attempts: its worker was lost ' || b.lone
      || ' times while it ran alone' end,
  finished_at = case when b.guilty and b.lone >= %(crash_limit)s then now() end,
  errors = case when b.guilty then coalesce(i.errors, '[]') || jsonb_build_object('attempt', b.attempts + 1,
    'code', 'worker-lost', 'type', 'WorkerLost', 'message', 'the worker was lost while it ran this alone',
    'traceback', '') else i.errors end
from blamed b where i.id = b.id
returning i.id::text as id, i.agent_id, i.session_id, i.kind, i.status, i.reply_to, i.attempts
""",
    Blamed,
)
"""Frees expired leases, puts their sessions into new groups (see `suspects`), and adds an attempt to what may have run.

What ran alone and started last is blamed; when that happened too often, since it was accepted or an operator queued it
again, it is dead. Rows that another transaction has locked are left to the next pass.
"""

POSTPONE = Statement(
    "postpone_wakes",
    """
update interactions i set wake_at = greatest(i.available_at,
  now() + least(greatest(%(again)s * interval '1 second', now() - i.available_at), %(most)s * interval '1 second'))
where i.id = any(%(ids)s)
""",
    NoRow,
)
"""Pushes out the time at which rescue looks at these again: the longer they have waited, the further, up to a limit."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a pass found: sessions to wake (agent, session, kind), and interactions now dead.

    suspects: sessions that only a quarantine runs. full: there was more than one pass looks at.
    """

    wakes: list[tuple[str, str, str]]
    suspects: set[tuple[str, str]]
    dead: list[Blamed]
    full: bool = False


def rescue(store: StoreConnection, *, crash_limit: int) -> Findings | None:
    """Make one pass. Returns None when another rescuer is at it. Raises `StoreAwayError`."""
    with store.transaction() as transaction:
        if not transaction.fetch(ELECT, (ELECTION,))[0].elected:
            return None
        transaction.fetch(SUSPECT, {"locks": WORKER_LOCKS})
        lost = [row.id for row in transaction.fetch(BURY, {"suspicion": SUSPICION})]
        if lost:
            transaction.fetch(EXPIRE, {"workers": lost})
        due = transaction.fetch(DUE, {"batch": BATCH})
        if not due:
            return Findings([], set(), [])
        dead: list[Blamed] = []
        expired = _keys(row for row in due if row.expired)
        if expired["agents"]:
            broken = transaction.fetch(BREAK, {**expired, "crash_limit": crash_limit, "parts": PARTS, "most": MOST_RUN})
            dead = [row for row in broken if row.status == "dead"]
        leased = [row.id for row in due if row.lease_token is not None]
        transaction.fetch(POSTPONE, {"ids": leased, "again": LOOK_AGAIN, "most": LOOK_AGAIN})
        served = {row.agent_id for row in transaction.fetch(SERVED_AGENTS)} or {row.agent_id for row in due}
        unserved = [row.id for row in due if row.lease_token is None and row.agent_id not in served]
        transaction.fetch(POSTPONE, {"ids": unserved, "again": UNSERVED, "most": UNSERVED})
        unleased = [row.id for row in due if row.lease_token is None and row.agent_id in served]
        transaction.fetch(POSTPONE, {"ids": unleased, "again": WAKE_AGAIN, "most": WAKE_AGAIN_MOST})
    vanished = _settle_orphans(store, due)
    due = [row for row in due if row.id not in vanished]
    free = [row for row in due if (row.lease_token is None and row.agent_id in served) or row.expired]
    suspects = {(row.agent_id, row.session_id) for row in free if row.expired or row.probation}
    wakes = dict.fromkeys((row.agent_id, row.session_id, row.kind) for row in free)
    return Findings([wake for wake in wakes if wake[:2] not in suspects], suspects, dead, full=len(due) >= BATCH)


def _settle_orphans(store: StoreConnection, due: list[_Due]) -> set[Any]:
    """Make the sessions that are missing, one by one: another transaction may be about to make one of them.

    Returns the ids of what vanishes with its session instead.
    """
    orphans = [Orphan(row.id, row.agent_id, row.session_id, row.kind) for row in due if row.missing]
    vanished: set[Any] = set()
    for key in sorted({(one.agent_id, one.session_id) for one in orphans}):
        with suppress(StoreBusyError), store.transaction() as transaction:
            transaction.fetch(HASTE)
            vanished |= settle_orphans(transaction, [one for one in orphans if (one.agent_id, one.session_id) == key])
    return vanished


def _keys(rows: Any) -> dict[str, list[str]]:
    keys = sorted({(row.agent_id, row.session_id) for row in rows})
    return {"agents": [agent_id for agent_id, _ in keys], "sessions": [session_id for _, session_id in keys]}
