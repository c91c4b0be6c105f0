"""Rescue: find expired leases, lost workers, due work that nobody woke, and expired rows. One rescuer at a time.

Everything starts from the index of queued interactions by `wake_at`: whatever is due there is either woken, or its
session is leased (look again later), or its lease has expired (a crash). So no index on leases is needed.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pumice.sessions.connections import StoreConnection
from pumice.sessions.orphans import Orphan, settle_orphans
from pumice.sessions.presence import WORKER_LOCKS
from pumice.sessions.statements import NoRow, Statement

ELECTION = 7_864_224
BATCH = 2_000
WAKE_AGAIN = 10.0
SUSPICION = 1.5
"""Seconds that a worker's lock must be gone before the worker counts as dead."""


class _Elected(NamedTuple):
    elected: bool


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


class OpenTick(NamedTuple):
    """A tick whose fan-out stands still."""

    agent_id: str
    job: str
    scheduled_for: datetime


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
with held as (
  update sessions s set lease_until = now() - interval '1 microsecond'
  from (select distinct agent_id, session_id from interactions where status = 'queued') q
  where s.agent_id = q.agent_id and s.id = q.session_id and s.lease_worker = any(%(workers)s::bigint[])
    and s.lease_until > now()
  returning s.agent_id, s.id
)
update interactions i set wake_at = now() from held h
where i.agent_id = h.agent_id and i.session_id = h.id and i.status = 'queued' and i.available_at <= now()
""",
    NoRow,
)
"""Ends the leases of dead workers, and makes their sessions' work due for rescue."""

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

BREAK = Statement(
    "break_leases",
    """
with broken as (
  select s.agent_id, s.id, s.probation from sessions s
  join unnest(%(agents)s::text[], %(sessions)s::text[]) as w(agent_id, id) using (agent_id, id)
  where s.lease_token is not null and s.lease_until < now()
  order by s.agent_id, s.id for update of s
), freed as (
  update sessions s set lease_token = null, lease_worker = null, lease_until = null, probation = true
  from broken b where s.agent_id = b.agent_id and s.id = b.id
  returning s.agent_id, s.id, b.probation
), heads as (
  select distinct on (i.agent_id, i.session_id) i.id, i.errors, i.attempts, i.started_at, f.probation
  from interactions i join freed f on f.agent_id = i.agent_id and f.id = i.session_id
  where i.status = 'queued' and i.available_at <= now() order by i.agent_id, i.session_id, i.seq
), blamed as (
  select h.*, 1 + (select count(*) filter (where e ->> 'code' = 'worker-lost')
      - coalesce(max(lost) filter (where e ->> 'code' = 'retried'), 0)
    from (select e, count(*) filter (where e ->> 'code' = 'worker-lost') over (order by place) as lost
      from jsonb_array_elements(coalesce(h.errors, '[]')) with ordinality as all_errors(e, place)) counted) as crashes
  from heads h where not h.probation or h.started_at is not null
)
update interactions i set attempts = b.attempts + 1, started_at = null,
  status = case when b.probation and b.crashes >= %(crash_limit)s then 'dead' else 'queued' end,
  reason = case when b.probation and b.crashes >= %(crash_limit)s
    then 'dead after ' || (b.attempts + 1) || ' attempts: its worker was lost ' || b.crashes || ' times' end,
  finished_at = case when b.probation and b.crashes >= %(crash_limit)s then now() end,
  errors = coalesce(i.errors, '[]') || jsonb_build_object('attempt', b.attempts + 1, 'code', 'worker-lost',
    'type', 'WorkerLost', 'message', 'the worker was lost while it held this session', 'traceback', '')
from blamed b where i.id = b.id
returning i.id::text as id, i.agent_id, i.session_id, i.kind, i.status, i.reply_to, i.attempts
""",
    Blamed,
)
"""Frees expired leases and adds an attempt to what was running; a culprit that did it too often, since it was accepted
or an operator queued it again, is dead."""

POSTPONE = Statement(
    "postpone_wakes",
    """
update interactions i set wake_at = greatest(now() + %(again)s * interval '1 second', i.available_at)
where i.id = any(%(ids)s)
""",
    NoRow,
)
"""Pushes out the time at which rescue looks at these again."""

OPEN_TICKS = Statement(
    "take_open_ticks",
    """
update ticks set progressed_at = now() where done_at is null and progressed_at < now() - interval '5 seconds'
returning agent_id, job, scheduled_for
""",
    OpenTick,
)
"""Ticks whose fan-out was never started or stopped in the middle."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What a pass found: sessions to wake (agent, session, kind), interactions now dead, ticks to go on with."""

    wakes: list[tuple[str, str, str]]
    alone: list[tuple[str, str, str]]
    dead: list[Blamed]
    ticks: list[OpenTick]


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
        ticks = transaction.fetch(OPEN_TICKS)
        if not due:
            return Findings([], [], [], ticks)
        orphans = [Orphan(row.id, row.agent_id, row.session_id, row.kind) for row in due if row.missing]
        vanished = settle_orphans(transaction, orphans)
        due = [row for row in due if row.id not in vanished]
        dead: list[Blamed] = []
        expired = _keys(row for row in due if row.expired)
        if expired["agents"]:
            broken = transaction.fetch(BREAK, {**expired, "crash_limit": crash_limit})
            dead = [row for row in broken if row.status == "dead"]
        leased = [row.id for row in due if row.lease_token is not None and not row.expired]
        transaction.fetch(POSTPONE, {"ids": leased, "again": 1.0})
        unleased = [row.id for row in due if row.lease_token is None or row.expired]
        transaction.fetch(POSTPONE, {"ids": unleased, "again": WAKE_AGAIN})
    free = [row for row in due if row.lease_token is None or row.expired]
    probation = {(row.agent_id, row.session_id) for row in free if row.expired or row.probation}
    wakes = dict.fromkeys((row.agent_id, row.session_id, row.kind) for row in free)
    return Findings(
        [wake for wake in wakes if wake[:2] not in probation],
        [wake for wake in wakes if wake[:2] in probation],
        dead,
        ticks,
    )


def _keys(rows: Any) -> dict[str, list[str]]:
    keys = sorted({(row.agent_id, row.session_id) for row in rows})
    return {"agents": [agent_id for agent_id, _ in keys], "sessions": [session_id for _, session_id in keys]}
