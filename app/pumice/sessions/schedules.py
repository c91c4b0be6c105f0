"""A session's schedules as the API sees them: list, read, put and delete them; and its timezone."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from pumice.agents.scheduling import NewSchedule
from pumice.agents.states import REASONS, Reason
from pumice.errors import Conflict, UnknownSchedule, UnknownSession
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.effects import new_schedule_row
from pumice.sessions.running import find_running, when_sure
from pumice.sessions.schedule_rows import UPSERT
from pumice.sessions.statements import Statement


class Scheduled(NamedTuple):
    """A schedule, or a call that was scheduled without a key or has been fired.

    place: its place in the list. interaction_id: the interaction that runs or waits for it.
    """

    place: str
    key: str | None
    method: str
    payload: dict[str, Any]
    cron: str | None
    every: float | None
    timezone: str | None
    next_at: datetime | None
    last_at: datetime | None
    missed: int
    error: str | None
    interaction_id: str | None
    created_at: datetime
    updated_at: datetime

    def encode(self) -> dict[str, Any]:
        """A schedule as clients see it."""
        return {
            "key": self.key,
            "method": self.method,
            "args": self.payload.get("args", []),
            "kwargs": self.payload.get("kwargs", {}),
            "cron": self.cron,
            "every": self.every,
            "timezone": self.timezone,
            "nextAt": self.next_at,
            "lastAt": self.last_at,
            "missed": self.missed,
            "error": self.error,
            "interactionId": self.interaction_id,
            "createdAt": self.created_at,
            "updatedAt": self.updated_at,
        }


class _Locked(NamedTuple):
    lease_token: int | None
    leased_at: datetime | None
    quiet: bool
    timezone: str | None


class _Put(NamedTuple):
    is_new: bool


class _Gone(NamedTuple):
    id: str


class _Due(NamedTuple):
    id: str
    available_at: datetime
    started_at: datetime | None


LIST = Statement(
    "list_schedules",
    """
select * from (
  (select 'k' || s.key as place, s.key, s.method, s.payload, s.cron, s.every, s.timezone, s.next_at, s.last_at,
    s.missed, s.error, (select i.id::text from interactions i where i.agent_id = s.agent_id
      and i.session_id = s.session_id and i.status = 'queued' and i.schedule_key = s.key order by i.seq limit 1)
      as interaction_id, s.created_at, s.updated_at
  from schedules s
  where s.agent_id = %(agent)s and s.session_id = %(session)s and (%(key)s::text is null or s.key = %(key)s)
    and ('k' || s.key) collate "C" > %(after)s order by s.key limit %(limit)s)
  union all
  (select 'q' || i.id, i.schedule_key, i.name, i.payload, null, null, null, i.scheduled_for, null, 0::bigint, null,
    i.id::text, i.accepted_at, i.accepted_at
  from interactions i
  where i.agent_id = %(agent)s and i.session_id = %(session)s and i.status = 'queued' and i.kind = 'call'
    and i.scheduled_for is not null and (%(key)s::text is null or i.schedule_key = %(key)s)
    and ('q' || i.id) collate "C" > %(after)s and not exists (select from schedules s
      where s.agent_id = i.agent_id and s.session_id = i.session_id and s.key = i.schedule_key)
  order by ('q' || i.id) collate "C" limit %(limit)s)
) found order by place collate "C" limit %(limit)s
""",
    Scheduled,
)
"""A page of a session's schedules by their keys, and then of the calls that wait, without a key or fired already."""

LOCK = Statement(
    "lock_session_to_schedule",
    """
select lease_token, leased_at, quiet, timezone from sessions
where agent_id = %(agent)s and id = %(session)s and deleted_at is null for update
""",
    _Locked,
)
"""Takes the session; no commit and no deletion comes between."""

PUT = Statement(
    "put_schedule",
    """
with planned as (
  select %(agent)s::text as agent_id, %(session)s::text as session_id, %(key)s::text as key, %(method)s::text as method,
    %(payload)s::text as payload, %(cron)s::text as cron, %(every)s::float8 as every, %(timezone)s::text as timezone,
    %(next_at)s::timestamptz as next_at, %(delay)s::float8 as delay, false as cancels, false as moves
)"""
    + UPSERT
    + """
returning xmax::text = '0' as is_new
""",
    _Put,
)
"""Stores a schedule as a turn does. Says whether its key had none."""

DELETE = Statement(
    "delete_schedule",
    """
delete from schedules where agent_id = %(agent)s and session_id = %(session)s and key = %(key)s returning key as id
""",
    _Gone,
)
"""Deletes a schedule. One that is being fired is waited for: what it makes can be cancelled then."""

DUE = Statement(
    "list_due_to_unschedule",
    """
select id::text as id, available_at, started_at from interactions
where agent_id = %(agent)s and session_id = %(session)s and status = 'queued' and available_at <= clock_timestamp()
order by seq
""",
    _Due,
)
"""What is due in the session, in order: one of it runs, if the session is leased."""

UNFIRE = Statement(
    "cancel_fired",
    """
update interactions set status = 'cancelled', reason = %(reason)s, reason_code = %(reason_code)s,
  finished_at = clock_timestamp()
where agent_id = %(agent)s and session_id = %(session)s and status = 'queued' and schedule_key = %(key)s
  and id is distinct from %(running)s::uuid
returning id::text as id
""",
    _Gone,
)
"""Cancels what a schedule has fired, but for the turn that runs."""

MOVE = Statement(
    "move_session",
    """
with moved as (
  update sessions set timezone = %(timezone)s, updated_at = now()
  where agent_id = %(agent)s and id = %(session)s and deleted_at is null returning agent_id, id
), due as (
  update schedules s set next_at = least(s.next_at, now()) from moved m
  where s.agent_id = m.agent_id and s.session_id = m.id and s.timezone = 'session' and s.next_at is not null
)
select id from moved
""",
    _Gone,
)
"""Sets a session's timezone. Its schedules in that timezone are due at once: who fires them works out when they are."""


def list_(
    store: StoreConnection, agent_id: str, session_id: str, *, after: str = "", limit: int = 100
) -> list[Scheduled]:
    """A page of a session's schedules and scheduled calls, after the place of another. Raises `StoreAwayError`."""
    options = {"agent": agent_id, "session": session_id, "key": None, "after": after, "limit": limit}
    return store.fetch(LIST, options, again=True)


def read(store: StoreConnection, agent_id: str, session_id: str, key: str) -> Scheduled:
    """A schedule, or what it fired and is not finished. Raises `UnknownSchedule`, `StoreAwayError`."""
    options = {"agent": agent_id, "session": session_id, "key": key, "after": "", "limit": 1}
    found = [] if "\x00" in key else store.fetch(LIST, options, again=True)
    if not found:
        raise UnknownSchedule
    return found[0]


def put(store: StoreConnection, agent_id: str, session_id: str, new: NewSchedule) -> bool:
    """Make or replace a schedule. Returns whether its key had none.

    The same recurring schedule keeps its next due time. Raises `UnknownSession`, `Conflict` for a quiet session,
    `StoreAwayError`.
    """
    key = {"agent": agent_id, "session": session_id}
    with store.transaction() as transaction:
        session = _lock(transaction, key)
        if session.quiet:
            raise Conflict("The session is quiet: schedules are recorded there, not made.")
        row = new_schedule_row(new, new.first(datetime.now(UTC), session.timezone))
        return transaction.fetch(PUT, key | row | {"key": new.key})[0].is_new


def delete(store: StoreConnection, agent_id: str, session_id: str, key: str) -> None:
    """Delete a schedule, and cancel what it fired and nobody has started.

    Raises `UnknownSession`, `UnknownSchedule`, `StoreAwayError`.
    """
    when_sure(lambda sure: _delete(store, {"agent": agent_id, "session": session_id, "key": key}, sure=sure))


def move(store: StoreConnection, agent_id: str, session_id: str, timezone: str | None) -> None:
    """Set a session's timezone. Raises `UnknownSession`, `StoreAwayError`."""
    if "\x00" in session_id or not store.fetch(MOVE, {"agent": agent_id, "session": session_id, "timezone": timezone}):
        raise UnknownSession


def _lock(transaction: Transaction, key: dict[str, Any]) -> _Locked:
    found = [] if "\x00" in key["session"] else transaction.fetch(LOCK, key)
    if not found:
        raise UnknownSession
    return found[0]


def _delete(store: StoreConnection, key: dict[str, Any], *, sure: bool) -> None:
    reason = Reason.UNSCHEDULED
    why = {"reason": REASONS[reason], "reason_code": reason.value}
    with store.transaction() as transaction:
        session = _lock(transaction, key)
        if "\x00" in key["key"]:
            raise UnknownSchedule
        gone = transaction.fetch(DELETE, key)
        due = [] if session.lease_token is None else transaction.fetch(DUE, key)
        running = find_running(due, session.leased_at, sure=sure)
        if not transaction.fetch(UNFIRE, key | why | {"running": running}) and not gone:
            raise UnknownSchedule
