"""Ticks: one due time of one job, inserted once, fanned out page by page to one interaction per session."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pumice.agents.context import new_id
from pumice.agents.names import static_session_id
from pumice.agents.states import REASONS, Reason
from pumice.sessions.accept import WAKE_GRACE, NewInteraction, accept
from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import NoRow, Statement

PAGE = 5_000


class _DueTime(NamedTuple):
    agent_id: str
    job: str
    scheduled_for: datetime


class _Last(NamedTuple):
    agent_id: str
    job: str
    last: datetime


class _Cursor(NamedTuple):
    cursor: str


class _Page(NamedTuple):
    cursor: str | None
    seen: int
    woken: list[str]
    skipped: int


INSERT = Statement(
    "insert_ticks",
    """
insert into ticks (agent_id, job, scheduled_for)
select * from unnest(%(agents)s::text[], %(jobs)s::text[], %(times)s::timestamptz[])
on conflict do nothing returning agent_id, job, scheduled_for
""",
    _DueTime,
)
"""Inserts due times; returns those that nobody had inserted before."""

LAST = Statement(
    "last_ticks", "select agent_id, job, max(scheduled_for) as last from ticks group by agent_id, job", _Last
)
"""The newest tick of each job."""

LOCK = Statement(
    "lock_tick",
    """
select cursor from ticks where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s and done_at is null
for update skip locked
""",
    _Cursor,
)
"""Takes an open tick, if no other fan-out has it."""

PAGE_OF_SESSIONS = Statement(
    "fan_out_page",
    """
with page as (
  select id, quiet from sessions
  where agent_id = %(agent)s and id > %(cursor)s and not temporary and id not like '$%%'
  order by id limit %(page)s
), overlapping as (
  select distinct i.session_id from interactions i join page p on p.id = i.session_id
  where %(skip)s and i.agent_id = %(agent)s and i.status = 'queued' and i.kind = 'job' and i.name = %(job)s
), made as (
  insert into interactions (id, agent_id, session_id, kind, name, payload, dedupe_source, dedupe_key, scheduled_for,
    wake_at, status, reason, reason_code, finished_at, effects)
  select pumice_uuid7(), %(agent)s, p.id, 'job', %(job)s, '{}', 'job:' || %(job)s, %(stamp)s || '/' || p.id, %(time)s,
    now() + %(grace)s * interval '1 second',
    case when o.session_id is null and not p.quiet then 'queued' else 'skipped' end,
    case when p.quiet then %(quiet)s when o.session_id is not null then %(reason)s end,
    case when p.quiet then %(quiet_code)s when o.session_id is not null then %(reason_code)s end,
    case when o.session_id is not null or p.quiet then now() end,
    case when p.quiet then json_build_array(json_build_object('kind', 'job', 'job', %(job)s::text)) end
  from page p left join overlapping o on o.session_id = p.id order by p.id
  on conflict do nothing
  returning session_id, status
)
select (select max(id) from page) as cursor, (select count(*) from page) as seen,
  array(select session_id from made where status = 'queued' order by session_id) as woken,
  (select count(*) from made where status = 'skipped') as skipped
""",
    _Page,
)
"""Makes one interaction for each session of the next page; a session that has one for this tick gets no other."""

ADVANCE = Statement(
    "advance_tick",
    """
update ticks set cursor = %(cursor)s, sessions = sessions + %(made)s, skipped = skipped + %(skipped)s,
  progressed_at = now(), done_at = case when %(done)s then now() end
where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s
""",
    NoRow,
)
"""Moves the tick's cursor past a page, in the page's transaction."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A due time of a job."""

    agent_id: str
    job: str
    scheduled_for: datetime

    @property
    def stamp(self) -> str:
        """The due time as it stands in dedupe keys: ISO 8601 in UTC."""
        return self.scheduled_for.astimezone(UTC).isoformat()


def insert_ticks(store: StoreConnection, ticks: list[Tick]) -> list[Tick]:
    """Insert due times. Returns those that are new. Raises `StoreAwayError`."""
    columns = {
        "agents": [tick.agent_id for tick in ticks],
        "jobs": [tick.job for tick in ticks],
        "times": [tick.scheduled_for for tick in ticks],
    }
    return [Tick(*row) for row in store.fetch(INSERT, columns)]


def last_ticks(store: StoreConnection) -> dict[tuple[str, str], datetime]:
    """The newest due time of each (agent, job). Raises `StoreAwayError`."""
    return {(row.agent_id, row.job): row.last for row in store.fetch(LAST)}


def fan_out_page(store: StoreConnection, tick: Tick, *, skip_overlap: bool) -> list[str] | None:
    """Fan a tick out to its next page of sessions, in one transaction with the cursor.

    Returns the sessions to wake, or None when the tick is finished or another fan-out has it.
    Raises `StoreAwayError`.
    """
    key: dict[str, Any] = {"agent": tick.agent_id, "job": tick.job, "time": tick.scheduled_for}
    with store.transaction() as transaction:
        taken = transaction.fetch(LOCK, key)
        if not taken:
            return None
        page = transaction.fetch(
            PAGE_OF_SESSIONS,
            {
                **key,
                "cursor": taken[0].cursor,
                "page": PAGE,
                "skip": skip_overlap,
                "reason": REASONS[Reason.OVERLAP],
                "reason_code": Reason.OVERLAP.value,
                "quiet": REASONS[Reason.QUIET],
                "quiet_code": Reason.QUIET.value,
                "stamp": tick.stamp,
                "grace": WAKE_GRACE,
            },
        )[0]
        cursor = taken[0].cursor if page.cursor is None else page.cursor
        progress = {"cursor": cursor, "made": len(page.woken), "skipped": page.skipped, "done": page.seen < PAGE}
        transaction.fetch(ADVANCE, key | progress)
    return page.woken or (None if page.seen < PAGE else [])


def run_static(store: StoreConnection, tick: Tick, *, temporary_ttl: float, window: float) -> str:
    """Accept the one interaction of a static job's tick and close the tick. Returns the session to wake."""
    session_id = static_session_id(tick.job)
    one = NewInteraction(
        new_id(), tick.agent_id, session_id, "job", tick.job, "{}", dedupe=(f"job:{tick.job}", f"{tick.stamp}/static")
    )
    accept(store, [one], temporary_ttl=temporary_ttl, window=window)
    key: dict[str, Any] = {"agent": tick.agent_id, "job": tick.job, "time": tick.scheduled_for}
    store.fetch(ADVANCE, {**key, "cursor": "", "made": 1, "skipped": 0, "done": True})
    return session_id
