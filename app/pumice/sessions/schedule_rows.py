"""How schedules that are made at run time are stored: with the commit of the turn that made them, or by the API.

Locks are taken in one order: the session's row, then its schedules. Who fires schedules waits for neither.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, LiteralString, NamedTuple

from psycopg import errors as pg

from pumice.agents.states import REASONS, Reason
from pumice.sessions.connections import StoreConnection
from pumice.sessions.parameters import json_rows
from pumice.sessions.statements import RowT, Statement

TRIES = 5
"""How often a commit is tried whose transaction was in another one's way."""


class _Locked(NamedTuple):
    key: str


MOVED_COLUMNS: LiteralString = ", moves boolean, timezone text"
MOVE: LiteralString = """,
    timezone = case when c.moves then c.timezone else s.timezone end"""
"""Sets the timezones of the sessions whose turns set one."""

UPSERT: LiteralString = """
  insert into schedules (agent_id, session_id, key, method, payload, cron, every, timezone, next_at)
  select agent_id, session_id, key, method, payload::json, cron, every, timezone,
    coalesce(next_at, now() + delay * interval '1 second')
  from planned where method is not null order by agent_id, session_id, key
  on conflict (agent_id, session_id, key) do update set
    (method, payload, cron, every, timezone, next_at, missed, last_at, error, created_at, updated_at) = (
      select excluded.method, excluded.payload, excluded.cron, excluded.every, excluded.timezone,
        case when w.same and not coalesce(w.moves, false) then coalesce(schedules.next_at, excluded.next_at)
          else excluded.next_at end,
        case when w.same then schedules.missed else 0 end, case when not w.cancels then schedules.last_at end, null,
        case when w.cancels then now() else schedules.created_at end,
        case when w.same then schedules.updated_at else now() end
      from (select p.cancels, p.moves, not p.cancels and num_nonnulls(p.cron, p.every) > 0
          and (schedules.method, schedules.payload::text, schedules.cron, schedules.every, schedules.timezone)
          is not distinct from (p.method, p.payload, p.cron, p.every, p.timezone) as same
        from planned p
        where p.agent_id = excluded.agent_id and p.session_id = excluded.session_id and p.key = excluded.key) w)"""
"""Stores the schedules that are `planned`. The same recurring one keeps its next due time, unless its session moved."""

PLANNED: LiteralString = """, planned as (
  select h.agent_id, h.id as session_id, p.key, p.method, p.payload, p.cron, p.every, p.timezone, p.delay, p.cancels,
    p.moves, case when p.timezone = 'session' and p.zone is distinct from h.timezone then now() else p.next_at end
      as next_at
  from json_to_recordset(%(schedules)s::json) as p(session int, key text, method text, payload text, cron text,
    every float8, timezone text, next_at timestamptz, delay float8, cancels boolean, moves boolean, zone text)
  join held h on h.place = p.session
), scheduled as ("""
"""What is asked. Where a session was moved meanwhile, its turn read its schedules in another timezone: those are due at
once, and who fires them works out when they really are."""
AFTER: LiteralString = """
), unscheduled as (
  delete from schedules s using planned p
  where s.agent_id = p.agent_id and s.session_id = p.session_id and s.key = p.key and p.method is null
), unfired as (
  update interactions i set status = 'cancelled', reason = %(unscheduled)s, reason_code = %(unscheduled_code)s,
    finished_at = clock_timestamp()
  from planned p where i.agent_id = p.agent_id and i.session_id = p.session_id and i.status = 'queued'
    and i.schedule_key = p.key and p.cancels and i.id <> all(%(ran)s::uuid[])
), moved as (
  update schedules s set next_at = least(s.next_at, now())
  from changed c join held h on h.place = c.place
  where c.moves and s.agent_id = h.agent_id and s.session_id = h.id and s.timezone = 'session'
    and s.next_at is not null and not exists (select from planned p
      where p.agent_id = s.agent_id and p.session_id = s.session_id and p.key = s.key)
)"""
PLAN: LiteralString = PLANNED + UPSERT + AFTER
"""Stores and cancels schedules as the turns asked. Schedules in the timezone of a session that moved are due at once:
who fires them works out anew when they are."""

LOCK_SESSIONS = Statement(
    "lock_sessions_to_unschedule",
    """
select s.id as key from json_to_recordset(%(rows)s::json) as w(agent_id text, session_id text, key text)
join sessions s on s.agent_id = w.agent_id and s.id = w.session_id
order by s.agent_id, s.id for no key update of s
""",
    _Locked,
)
"""Takes the sessions."""

LOCK = Statement(
    "lock_schedules",
    """
select s.key from json_to_recordset(%(rows)s::json) as w(agent_id text, session_id text, key text)
join schedules s on s.agent_id = w.agent_id and s.session_id = w.session_id and s.key = w.key
order by s.agent_id, s.session_id, s.key for update of s
""",
    _Locked,
)
"""Takes schedules. What they fired is committed then, so that the next statement sees it."""


def schedule_parameters(schedules: Sequence[Mapping[str, Any]], ran: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The parameters of `PLAN`. ran: the rows of the interactions that ran, and so can't be cancelled."""
    reason = Reason.UNSCHEDULED
    return {
        "schedules": json_rows(schedules),
        "ran": [row["id"] for row in ran],
        "unscheduled": REASONS[reason],
        "unscheduled_code": reason.value,
    }


def run_after_schedules(
    store: StoreConnection,
    statement: Statement[RowT],
    parameters: dict[str, Any],
    schedules: Sequence[Mapping[str, Any]],
) -> list[RowT]:
    """Run a commit; when it cancels schedules, in a transaction that holds them: none of them fires meanwhile.

    Raises what `StoreConnection.fetch` does.
    """
    cancelled = [row for row in schedules if row["cancels"]]
    if not cancelled:
        return store.fetch(statement, parameters)
    names = ("agent_id", "session_id", "key")
    rows = {"rows": json_rows({name: row[name] for name in names} for row in cancelled)}
    for left in range(TRIES, -1, -1):
        try:
            with store.transaction() as transaction:
                transaction.fetch(LOCK_SESSIONS, rows)
                transaction.fetch(LOCK, rows)
                return transaction.fetch(statement, parameters)
        except (pg.DeadlockDetected, pg.SerializationFailure):
            if not left:
                raise
    raise AssertionError
