"""Drain: wake the sessions of a tick as its runs end, count what has ended, and close it when all has.

Runs are looked for by their whole keys, and read by comparing them: only the unique index of runs serves that,
whatever the planner knows of a table that has just grown by a million rows. (Equal keys beside the comparison would
have each read begin at the tick's first run.)
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import NoRow, Statement
from pumice.sessions.ticks import LEASE, Tick

CHUNK = 2_000
"""Runs that are read, and their sessions woken, at a time."""


class Run(NamedTuple):
    """A run of a tick. is_due: it waits, and could run now. outcome: done, failed or skipped, None while it waits.

    A run that was skipped when it was made has none either: it is counted already.
    """

    session_id: str
    is_due: bool
    waits: bool
    outcome: str | None


class Counted(NamedTuple):
    """Up to which session a tick's runs are counted; those of the sessions `waiting` are not, which have not ended."""

    drained: str
    waiting: list[str]


class _Kept(NamedTuple):
    drained: str


class Ended(NamedTuple):
    """A run that has ended: done, failed or skipped."""

    session_id: str
    outcome: str


START = Statement(
    "resume_tick",
    """
select drained, waiting from ticks
where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s and done_at is null
""",
    Counted,
)
"""Up to which session the runs of a tick are finished and counted."""

NEXT = Statement(
    "list_runs_to_wake",
    """
select session_id, status = 'queued' and available_at <= now() as is_due, status = 'queued' as waits,
  case when status = 'done' then 'done' when status in ('failed', 'dead') then 'failed'
    when status = 'cancelled' or (status = 'skipped' and finished_at > accepted_at) then 'skipped' end as outcome
from interactions
where kind = 'job' and scheduled_for is not null
  and (agent_id, name, scheduled_for, session_id) > (%(agent)s, %(job)s, %(time)s::timestamptz, %(after)s)
  and (agent_id, name, scheduled_for)
    < (%(agent)s, %(job)s, %(time)s::timestamptz + interval '1 microsecond')
order by agent_id, name, scheduled_for, session_id limit %(limit)s
""",
    Run,
)
"""The next runs of a tick, by session."""

ENDED = Statement(
    "list_ended_runs",
    """
select w.session_id, case r.status when 'done' then 'done' when 'failed' then 'failed' when 'dead' then 'failed'
  else 'skipped' end as outcome
from unnest(%(sessions)s::text[]) as w(session_id) left join lateral (
  select i.status from interactions i
  where i.kind = 'job' and i.scheduled_for is not null and i.agent_id = %(agent)s and i.name = %(job)s
    and i.scheduled_for = %(time)s::timestamptz and i.session_id = w.session_id limit 1) r on true
where r.status is distinct from 'queued'
""",
    Ended,
)
"""Which of these runs have ended. One that is gone, with its session, was skipped."""

KEEP = Statement(
    "keep_tick",
    """
update ticks set woken = greatest(woken, %(woken)s), progressed_at = now(),
  next_at = now() + %(lease)s * interval '1 second'
where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s and done_at is null returning drained
""",
    _Kept,
)
"""Keeps a tick for this process, and notes how far its sessions were woken."""

ADVANCE = Statement(
    "advance_drained",
    """
update ticks set drained = %(until)s, waiting = %(waiting)s::text[],
  done = done + %(done)s, failed = failed + %(failed)s,
  skipped = skipped + %(skipped)s
where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s and done_at is null
  and drained = %(after)s and waiting = %(waited)s::text[]
returning drained
""",
    _Kept,
)
"""Notes how the runs between two sessions have ended, but for some; only if nobody else did."""

HAND_OVER = Statement(
    "hand_runs_to_rescue",
    """
update interactions i set wake_at = now() from (
  select r.id from unnest(%(sessions)s::text[]) as w(session_id) cross join lateral (
    select i.id, i.status, i.available_at, i.wake_at from interactions i
    where i.kind = 'job' and i.scheduled_for is not null and i.agent_id = %(agent)s and i.name = %(job)s
      and i.scheduled_for = %(time)s::timestamptz and i.session_id = w.session_id limit 1) r
  where r.status = 'queued' and r.available_at <= now() and r.wake_at > now() + interval '1 hour') left_over
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


def counted(store: StoreConnection, tick: Tick) -> Counted | None:
    """Which of the tick's runs are counted; None when it is closed. Raises `StoreAwayError`."""
    found = store.fetch(START, tick.key)
    return found[0] if found else None


def next_runs(store: StoreConnection, tick: Tick, after: str) -> list[Run]:
    """Up to `CHUNK` runs of a tick, of the sessions after one. Raises `StoreAwayError`."""
    return store.fetch(NEXT, {**tick.key, "after": after, "limit": CHUNK})


def ended_runs(store: StoreConnection, tick: Tick, sessions: Sequence[str]) -> list[Ended]:
    """Which runs of these sessions have ended. Raises `StoreAwayError`."""
    return store.fetch(ENDED, {**tick.key, "sessions": list(sessions)})


def keep(store: StoreConnection, tick: Tick, woken: str) -> bool:
    """Keep a tick, woken up to that session. Returns false when it is closed. Raises `StoreAwayError`."""
    return bool(store.fetch(KEEP, {**tick.key, "woken": woken, "lease": LEASE}))


def advance(store: StoreConnection, tick: Tick, before: Counted, after: Counted, counts: Mapping[str, int]) -> bool:
    """Go from what the tick's row counts to what it counts after these ends. Returns false when somebody else did.

    Raises `StoreAwayError`.
    """
    ended = {name: counts.get(name, 0) for name in ("done", "failed", "skipped")}
    places = {"after": before.drained, "waited": before.waiting, "until": after.drained, "waiting": after.waiting}
    return bool(store.fetch(ADVANCE, tick.key | places | ended))


def hand_over(store: StoreConnection, tick: Tick, sessions: Sequence[str]) -> None:
    """Have rescue look at the runs of these sessions that still wait. Raises `StoreAwayError`."""
    store.fetch(HAND_OVER, {**tick.key, "sessions": list(sessions)})


def finish(store: StoreConnection, tick: Tick) -> None:
    """Close the tick. Raises `StoreAwayError`."""
    store.fetch(FINISH, tick.key)
