"""Firing schedules that are due: each becomes an interaction of its session, and is due again later, or gone.

All of it is one transaction: however many processes are at it and whenever they are killed, a due time makes one
interaction. Who fires locks schedules only, and skips those that others hold.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from pumice.agents.context import new_id
from pumice.agents.due_times import due_times
from pumice.agents.scheduling import zone_of
from pumice.sessions.accept import WAKE_GRACE
from pumice.sessions.connections import StoreConnection
from pumice.sessions.parameters import json_rows
from pumice.sessions.statements import Statement

BATCH = 500
"""Schedules of one agent that one transaction takes at the most."""
BUDGET = 0.5
"""Seconds for which a transaction works out due times; what is left then is taken by the next."""
NEVER = 3_600.0
"""Seconds, where nothing is scheduled."""


class _Next(NamedTuple):
    seconds: float | None


class _Due(NamedTuple):
    agent_id: str
    session_id: str
    key: str
    cron: str | None
    every: float | None
    timezone: str | None
    next_at: datetime
    missed: int
    now: datetime
    has_session: bool
    session_zone: str | None
    is_unfinished: bool


class _Fired(NamedTuple):
    agent_id: str
    session_id: str


NEXT = Statement(
    "find_next_schedule",
    """
select min(extract(epoch from n.next_at - clock_timestamp()))::float8 as seconds
from unnest(%(agents)s::text[]) as a(id) cross join lateral (
  select s.next_at from schedules s where s.agent_id = a.id and s.next_at is not null order by s.next_at limit 1) n
""",
    _Next,
)
"""Seconds until a schedule of these agents is due: one entry of the index for each agent, however many there are."""

TAKE = Statement(
    "take_due_schedules",
    """
select d.agent_id, d.session_id, d.key, d.cron, d.every, d.timezone, d.next_at, d.missed, now() as now,
  x.id is not null as has_session, x.timezone as session_zone,
  exists (select from interactions i where i.agent_id = d.agent_id and i.session_id = d.session_id
    and i.status = 'queued' and i.schedule_key = d.key) as is_unfinished
from unnest(%(agents)s::text[]) as a(id) cross join lateral (
  select s.* from schedules s where s.agent_id = a.id and s.next_at <= now() order by s.next_at limit %(batch)s
  for update skip locked) d
left join lateral (select x.id, x.timezone from sessions x
  where x.agent_id = d.agent_id and x.id = d.session_id and x.deleted_at is null) x on true
order by d.next_at
""",
    _Due,
)
"""Takes schedules of these agents that are due, the oldest first. Whether their last run is finished is asked of the
session's queue."""

FIRE = Statement(
    "fire_schedules",
    """
with given as (
  select * from json_to_recordset(%(rows)s::json) as r(place int, agent_id text, session_id text, key text, id uuid,
    at timestamptz, before bigint, over boolean, next_at timestamptz, last_at timestamptz, missed bigint, error text)
), fired as (
  insert into interactions (id, agent_id, session_id, kind, name, payload, dedupe_source, dedupe_key, scheduled_for,
    schedule_key, wake_at)
  select r.id, s.agent_id, s.session_id, 'call', s.method, case when r.before = 0 then s.payload
      else (left(s.payload::text, -1) || ',"missed":' || r.before || '}')::json end,
    'schedule:' || s.key, r.at::text || '/' || s.updated_at, r.at, s.key, now() + %(grace)s * interval '1 second'
  from given r join schedules s on s.agent_id = r.agent_id and s.session_id = r.session_id and s.key = r.key
  where r.id is not null order by r.place
  on conflict do nothing
  returning agent_id, session_id
), moved as (
  update schedules s set next_at = r.next_at, last_at = coalesce(r.last_at, s.last_at), missed = r.missed,
    error = r.error
  from given r where s.agent_id = r.agent_id and s.session_id = r.session_id and s.key = r.key and not r.over
), gone as (
  delete from schedules s using given r
  where s.agent_id = r.agent_id and s.session_id = r.session_id and s.key = r.key and r.over
)
select agent_id, session_id from fired
""",
    _Fired,
)
"""Makes the interactions, and moves each schedule to its next due time, or deletes it."""


@dataclass(frozen=True, slots=True)
class Fired:
    """The sessions in which something was fired. is_more: whether more is due. wait: seconds until something is.

    paused: schedules that can't be worked out, each with its agent, session, key and what is wrong.
    """

    sessions: list[tuple[str, str]] = field(default_factory=list)
    paused: list[tuple[str, str, str, str]] = field(default_factory=list)
    is_more: bool = False
    wait: float = NEVER


def fire_due(store: StoreConnection, agents: Sequence[str], *, budget: float = BUDGET) -> Fired:
    """Fire schedules of these agents that are due. Other agents' are left to whoever serves them.

    Raises `StoreAwayError`.
    """
    seconds = store.fetch(NEXT, {"agents": list(agents)}, again=True)[0].seconds
    if seconds is None or seconds > 0:
        return Fired(wait=NEVER if seconds is None else seconds)
    give_up = time.monotonic() + budget
    with store.transaction() as transaction:
        due = transaction.fetch(TAKE, {"agents": list(agents), "batch": BATCH})
        rows: list[dict[str, Any]] = []
        for place, one in enumerate(due):
            rows.append({"place": place, **_decided(one)})
            if time.monotonic() > give_up:
                break
        fired = transaction.fetch(FIRE, {"rows": json_rows(rows), "grace": WAKE_GRACE}) if rows else []
    paused = [(one["agent_id"], one["session_id"], one["key"], one["error"]) for one in rows if one.get("error")]
    return Fired([(row.agent_id, row.session_id) for row in fired], paused, bool(due))


def _decided(one: _Due) -> dict[str, Any]:
    """What becomes of a schedule that is due. What can't be worked out is noted, and holds up no other."""
    row: dict[str, Any] = {"agent_id": one.agent_id, "session_id": one.session_id, "key": one.key}
    if not one.has_session:
        return row | {"over": True}
    try:
        zone = zone_of(one.timezone, one.session_zone)
        due = due_times(one.next_at, one.now, cron=one.cron, every=one.every, zone=zone)
    except Exception as error:
        return row | {"over": False, "missed": one.missed, "error": f"it can't be worked out: {error}"}
    recurs = one.cron is not None or one.every is not None
    ends = "it is never due again" if recurs and due.next_at is None else None
    row |= {"over": not recurs, "next_at": due.next_at, "missed": one.missed, "error": ends}
    if due.at is None:
        return row
    if recurs and one.is_unfinished:
        return row | {"missed": one.missed + due.missed + 1}
    fires = {"id": new_id(), "at": due.at, "before": one.missed + due.missed, "last_at": due.at, "missed": 0}
    return row | fires
