"""Drain: wake the sessions of a tick as its runs end, count what has ended, and close it when all has.

The broker never holds more than `OUTSTANDING` sessions of a tick. A wake that was lost is rescue's business: runs whose
session was woken `GRACE` seconds ago, and that still wait, are given to it.

Runs are found by comparing whole keys of `interactions_runs`: of all indexes only that one serves such a comparison,
whatever the planner knows of a table that has just grown by a million rows.
"""

from typing import NamedTuple

from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import NoRow, Statement
from pumice.sessions.ticks import LEASE, Tick

OUTSTANDING = 10_000
"""Sessions of a tick that are woken and whose run has not ended, at the most."""
CHUNK = 2_000
"""Sessions that are woken at a time."""
GRACE = 10.0
"""Seconds after which a run whose session was woken is given to rescue."""


class Window(NamedTuple):
    """The runs from `drained` to `woken`: how many wait, and whether that is all of the tick.

    due: of those that wait, how many could run now. is_inserted: the fan-out has made all; woken: the last session that
    was woken.
    """

    waiting: int
    due: int
    woken: str
    is_inserted: bool


class _Run(NamedTuple):
    session_id: str
    is_due: bool


LOOK = Statement(
    "look_at_tick",
    """
with t as (
  select woken, drained, inserted_at from ticks
  where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s and done_at is null
), runs as materialized (
  select i.session_id, i.status, i.available_at <= now() as is_due,
    i.status = 'cancelled' or (i.status = 'skipped' and i.finished_at > i.accepted_at) as is_skipped
  from t cross join lateral (
    select session_id, status, available_at, accepted_at, finished_at from interactions
    where kind = 'job' and scheduled_for is not null
      and (agent_id, name, scheduled_for, session_id) > (%(agent)s, %(job)s, %(time)s::timestamptz, t.drained)
      and (agent_id, name, scheduled_for, session_id) <= (%(agent)s, %(job)s, %(time)s::timestamptz, t.woken)
    offset 0) i
), first as (
  select min(session_id) as id from runs where status = 'queued'
), over as (
  select count(*) filter (where status = 'done') as done,
    count(*) filter (where status in ('failed', 'dead')) as failed,
    count(*) filter (where is_skipped) as skipped, max(session_id) as last
  from runs where session_id < coalesce((select id from first), session_id || ' ')
), moved as (
  update ticks set drained = coalesce(o.last, drained), done = ticks.done + o.done, failed = ticks.failed + o.failed,
    skipped = ticks.skipped + o.skipped, progressed_at = now(),
    next_at = now() + %(lease)s * interval '1 second'
  from over o
  where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s and drained = (select drained from t)
)
select (select count(*) from runs where status = 'queued') as waiting,
  (select count(*) from runs where status = 'queued' and is_due) as due, t.woken,
  t.inserted_at is not null as is_inserted
from t
""",
    Window,
)
"""Counts the runs that have ended, from the first on without a hole, and moves `drained` past them."""

NEXT = Statement(
    "list_runs_to_wake",
    """
select session_id, status = 'queued' and available_at <= now() as is_due from interactions
where kind = 'job' and scheduled_for is not null and agent_id = %(agent)s and name = %(job)s
  and scheduled_for = %(time)s::timestamptz
  and (agent_id, name, scheduled_for, session_id) > (%(agent)s, %(job)s, %(time)s::timestamptz, %(after)s)
order by agent_id, name, scheduled_for, session_id limit %(limit)s
""",
    _Run,
)
"""The next runs of a tick, by session."""

WOKEN = Statement(
    "note_woken_runs",
    """
update ticks set woken = %(woken)s where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s
  and woken < %(woken)s
""",
    NoRow,
)
"""Notes how far the sessions of a tick were woken."""

HAND_OVER = Statement(
    "hand_runs_to_rescue",
    """
update interactions i set wake_at = now() from (
  select id from interactions
  where kind = 'job' and scheduled_for is not null
    and (agent_id, name, scheduled_for, session_id) <= (%(agent)s, %(job)s, %(time)s::timestamptz, %(until)s)
    and (agent_id, name, scheduled_for, session_id) > (%(agent)s, %(job)s, %(time)s::timestamptz, (select drained
      from ticks where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s))
    and status = 'queued' and available_at <= now() and wake_at > now() + interval '1 hour'
  limit %(limit)s for update skip locked) left_over
where i.id = left_over.id
""",
    NoRow,
)
"""Has rescue look at runs whose wake may have been lost."""

FINISH = Statement(
    "finish_tick",
    """
update ticks set done_at = now() where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s
  and inserted_at is not null and done_at is null
""",
    NoRow,
)
"""Closes a tick all of whose runs have ended."""


def look(store: StoreConnection, tick: Tick) -> Window | None:
    """Count what has ended. Returns None when the tick is closed. Raises `StoreAwayError`."""
    found = store.fetch(LOOK, {**tick.key, "lease": LEASE})
    return found[0] if found else None


def next_to_wake(store: StoreConnection, tick: Tick, after: str) -> tuple[list[str], str | None]:
    """The sessions to wake next, and the last one that was looked at; None when there is no more run.

    Raises `StoreAwayError`.
    """
    runs = store.fetch(NEXT, {**tick.key, "after": after, "limit": CHUNK})
    return [run.session_id for run in runs if run.is_due], runs[-1].session_id if runs else None


def note_woken(store: StoreConnection, tick: Tick, woken: str) -> None:
    """Note how far the tick's sessions were woken. Raises `StoreAwayError`."""
    store.fetch(WOKEN, {**tick.key, "woken": woken})


def hand_over(store: StoreConnection, tick: Tick, until: str) -> None:
    """Have rescue look at what still waits, of the sessions up to `until`. Raises `StoreAwayError`."""
    store.fetch(HAND_OVER, {**tick.key, "until": until, "limit": CHUNK})


def finish(store: StoreConnection, tick: Tick) -> None:
    """Close the tick. Raises `StoreAwayError`."""
    store.fetch(FINISH, tick.key)
