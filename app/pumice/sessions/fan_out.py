"""Fan-out: from a tick to one interaction for each session, page by page, each page in one transaction with the cursor.

A crash goes on at the cursor, and a run is unique by its job, its due time and its session: a page that comes twice
does no harm. Sessions without a timezone of their own are those of the zone ''.
"""

from dataclasses import dataclass
from datetime import UTC
from typing import Any, LiteralString, NamedTuple

from psycopg.errors import UniqueViolation

from pumice.agents.job_times import zone_named
from pumice.agents.jobs import Job, Overlap
from pumice.agents.names import static_session_id
from pumice.agents.schedules import Every, is_due
from pumice.agents.states import REASONS, Reason, TickKind
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.job_conditions import PageCondition
from pumice.sessions.job_rows import session_zones
from pumice.sessions.statements import NoRow, Statement
from pumice.sessions.ticks import LEASE, PAGE, Tick

NO_ZONE = ""
"""The zone of sessions that have none of their own: UTC."""


class _Cursor(NamedTuple):
    zone: str
    cursor: str


class _Page(NamedTuple):
    first: str | None
    last: str | None
    seen: int
    made: int
    skipped: int


class _Overlapping(NamedTuple):
    id: str
    session_id: str


class _Path(NamedTuple):
    """How a page finds its sessions: the statements that make it, without and with regard to runs that are there."""

    first: Statement[_Page]
    again: Statement[_Page]


SESSIONS: LiteralString = """
with page as (
  select id, quiet, created_at from sessions
  where agent_id = %(agent)s and deleted_at is null and id not like '$%%' and (%(temporary)s or not temporary) and """
EVERYWHERE: LiteralString = "id > %(cursor)s order by id limit %(page)s"
ZONE: LiteralString = "timezone = %(zone)s and id > %(cursor)s order by id limit %(page)s"
WITHOUT_ZONE: LiteralString = "timezone is null and id > %(cursor)s order by id limit %(page)s"
ONE_SESSION: LiteralString = """
with page as (
  select id, quiet, created_at from sessions where agent_id = %(agent)s and id = %(session)s"""
INSERT: LiteralString = """
), placed as (
  select id, quiet, case when %(every)s::bigint is null then %(time)s::timestamptz else %(time)s::timestamptz
      + mod(floor(extract(epoch from created_at))::bigint, %(every)s::bigint) * interval '1 second' end as due
  from page
  where (%(ids)s::text[] is null or id = any(%(ids)s)) and (%(every)s::bigint is null or created_at < %(time)s)
), unfinished as materialized (
  select session_id from (
    select session_id, kind, name, available_at <= now() or attempts > 0 as is_due, scheduled_for from interactions
    where agent_id = %(agent)s and status = 'queued' and session_id >= (select min(id) from page)
      and session_id <= (select max(id) from page) offset 0) q
  where kind = 'job' and name = %(job)s and is_due and (scheduled_for is null or scheduled_for < %(time)s)
), judged as (
  select id, due, quiet, %(skip)s and id in (select session_id from unfinished) as is_double,
    case when %(jitter)s = 0 and %(every)s::bigint is null then now()
    else greatest(now(), due + interval '1 second' * %(jitter)s
      * (('x' || substr(md5(%(job)s || '/' || id), 1, 8))::bit(32)::bigint / 4294967296.0)) end as start
  from placed p
), made as (
  insert into interactions (id, agent_id, session_id, kind, name, payload, scheduled_for, available_at, wake_at,
    status, reason, reason_code, finished_at, effects)
  select pumice_uuid7(), %(agent)s, id, 'job', %(job)s, %(payload)s::json, due, start,
    case when start > now() then start else now() + interval '1 day' end,
    case when quiet or is_double then 'skipped' else 'queued' end,
    case when quiet then %(quiet)s when is_double then %(reason)s end,
    case when quiet then %(quiet_code)s when is_double then %(reason_code)s end,
    case when quiet or is_double then now() end,
    case when quiet then json_build_array(json_build_object('kind', 'job', 'job', %(job)s::text)) end
  from judged """
COUNT: LiteralString = """
  returning status
)
select (select min(id) from page) as first, (select max(id) from page) as last, (select count(*) from page) as seen,
  count(*) filter (where status = 'queued') as made, count(*) filter (where status <> 'queued') as skipped from made
"""
PAGE_OF_ALL = _Path(
    Statement("fan_out_page", SESSIONS + EVERYWHERE + INSERT + COUNT, _Page),
    Statement("fan_out_page_again", SESSIONS + EVERYWHERE + INSERT + "on conflict do nothing" + COUNT, _Page),
)
"""Makes one interaction for each session of the next page; a session that has one for this tick gets no other.

It is woken when its turn comes (see `drain`), or by rescue when it is due later than now. Asking whether a session has
one costs a third of a page, so that is done only for a page that was refused.
"""

PAGE_OF_ZONE = _Path(
    Statement("fan_out_page_of_zone", SESSIONS + ZONE + INSERT + COUNT, _Page),
    Statement("fan_out_page_of_zone_again", SESSIONS + ZONE + INSERT + "on conflict do nothing" + COUNT, _Page),
)
"""The same for the sessions of one timezone."""

PAGE_WITHOUT_ZONE = _Path(
    Statement("fan_out_page_without_zone", SESSIONS + WITHOUT_ZONE + INSERT + COUNT, _Page),
    Statement(
        "fan_out_page_without_zone_again", SESSIONS + WITHOUT_ZONE + INSERT + "on conflict do nothing" + COUNT, _Page
    ),
)
"""The same for sessions without a timezone of their own."""

PAGE_OF_ONE = _Path(
    Statement("fan_out_to_static", ONE_SESSION + INSERT + COUNT, _Page),
    Statement("fan_out_to_static_again", ONE_SESSION + INSERT + "on conflict do nothing" + COUNT, _Page),
)
"""The same for the one session of a static job."""

LOCK = Statement(
    "lock_tick",
    """
select zone, cursor from ticks where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s
  and done_at is null and inserted_at is null for update skip locked
""",
    _Cursor,
)
"""Takes a tick that is being fanned out, if no other fan-out has it."""

MAKE_STATIC = Statement(
    "make_static_session", "insert into sessions (agent_id, id) values (%s, %s) on conflict do nothing", NoRow
)
"""Makes the session in which a static job runs."""

OVERLAPPING = Statement(
    "cancel_overlapping_runs",
    """
with old as (
  select i.id, i.session_id, s.lease_token from (
    select n.agent_id, n.session_id, q.id from interactions n cross join lateral (
      select i.id, i.kind, i.name, i.scheduled_for from interactions i
      where i.agent_id = n.agent_id and i.session_id = n.session_id and i.status = 'queued' order by i.seq offset 0) q
    where n.kind = 'job' and n.agent_id = %(agent)s and n.name = %(job)s and n.scheduled_for = %(time)s
      and n.session_id >= %(first)s and n.session_id <= %(last)s
      and q.kind = 'job' and q.name = n.name and q.scheduled_for < n.scheduled_for offset 0) o
  join interactions i on i.id = o.id
  join sessions s on s.agent_id = o.agent_id and s.id = o.session_id
  for update of i skip locked
), gone as (
  update interactions i set status = 'cancelled', reason = %(reason)s, reason_code = %(code)s, finished_at = now()
  from old where i.id = old.id and old.lease_token is null
)
select id::text as id, session_id from old where lease_token is not null
""",
    _Overlapping,
)
"""Cancels earlier runs that wait; returns those whose session is leased, which may be running."""

ADVANCE = Statement(
    "advance_tick",
    """
update ticks set zone = %(zone)s, cursor = %(cursor)s, sessions = sessions + %(made)s + %(skipped)s,
  skipped = skipped + %(skipped)s,
  progressed_at = now(), next_at = now() + %(lease)s * interval '1 second',
  inserted_at = case when %(inserted)s then now() end
where agent_id = %(agent)s and job = %(job)s and scheduled_for = %(time)s
""",
    NoRow,
)
"""Moves the tick's cursor past a page, in the page's transaction."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a page came to. running: earlier runs to cancel that may be running (interaction id, session id)."""

    is_last: bool
    made: int
    running: tuple[tuple[str, str], ...] = ()


def fan_out_page(store: StoreConnection, tick: Tick, job: Job, condition: PageCondition | None = None) -> Page | None:
    """Fan a tick out to its next page of sessions.

    condition: the job's own, ready to be asked of a page. Returns None when all are made or another fan-out has it.
    Raises `StoreAwayError`.
    """
    zones = _zones(store, tick, job) if job.is_local else []
    with store.transaction() as transaction:
        if not (taken := transaction.fetch(LOCK, tick.key)):
            return None
        return _PageMaker(transaction, tick, job, condition).make(taken[0], zones)


def _zones(store: StoreConnection, tick: Tick, job: Job) -> list[str]:
    """The zones whose sessions the tick is for, in order."""
    if tick.zones is not None:
        return sorted(tick.zones)
    zones = [NO_ZONE, *session_zones(store, tick.agent_id)]
    if tick.kind == TickKind.MANUAL:
        return sorted(zones)
    return sorted(zone for zone in zones if is_due(job.schedule, tick.scheduled_for, zone_named(zone)))


@dataclass(frozen=True, slots=True)
class _PageMaker:
    """Makes a page of a tick that its transaction has locked."""

    transaction: Transaction
    tick: Tick
    job: Job
    condition: PageCondition | None

    def make(self, place: _Cursor, zones: list[str]) -> Page:
        """Make the page that comes next after a place. zones: those that a local job's tick is for."""
        if self.job.static:
            session_id = static_session_id(self.job.name)
            self.transaction.fetch(MAKE_STATIC, (self.tick.agent_id, session_id))
            return self._advance(place, self._insert(PAGE_OF_ONE, place), is_last=True)
        if not self.job.is_local:
            page = self._insert(PAGE_OF_ALL, place)
            return self._advance(place, page, is_last=page.seen < PAGE)
        left = [zone for zone in zones if zone >= place.zone]
        if not left:
            return self._advance(place, _Page(None, None, 0, 0, 0), is_last=True)
        if left[0] != place.zone:
            place = _Cursor(left[0], "")
        page = self._insert(PAGE_OF_ZONE if place.zone else PAGE_WITHOUT_ZONE, place)
        if page.seen < PAGE and len(left) > 1:
            return self._advance(_Cursor(left[1], ""), page, is_last=False, begins=True)
        return self._advance(place, page, is_last=page.seen < PAGE)

    def _insert(self, path: _Path, place: _Cursor) -> _Page:
        ids = None
        if self.condition is not None:
            ids = self.condition.pick(self.transaction, self.tick.agent_id, place.cursor, place.zone, PAGE)
        bounds = {"zone": place.zone, "cursor": place.cursor, "page": PAGE, "ids": ids}
        parameters = _parameters(self.tick, self.job) | bounds
        try:
            with self.transaction.savepoint():
                return self.transaction.fetch(path.first, parameters)[0]
        except UniqueViolation:
            return self.transaction.fetch(path.again, parameters)[0]

    def _advance(self, place: _Cursor, page: _Page, *, is_last: bool, begins: bool = False) -> Page:
        """Move the cursor past a page, and cancel earlier runs if the job says so. begins: `place` is a new zone."""
        cursor = place.cursor if begins or page.last is None else page.last
        moved = {"zone": place.zone, "cursor": cursor, "made": page.made, "skipped": page.skipped}
        self.transaction.fetch(ADVANCE, self.tick.key | moved | {"lease": LEASE, "inserted": is_last})
        running: list[_Overlapping] = []
        if page.last is not None and self.job.overlap == Overlap.CANCEL and not self.tick.queues:
            why = {"reason": REASONS[Reason.OVERLAP_CANCELLED], "code": Reason.OVERLAP_CANCELLED.value}
            bounds = {"first": page.first, "last": page.last}
            running = self.transaction.fetch(OVERLAPPING, self.tick.key | why | bounds)
        return Page(is_last, page.made, tuple((one.id, one.session_id) for one in running))


def _parameters(tick: Tick, job: Job) -> dict[str, Any]:
    """A page's parameters, but for where it begins."""
    spreads = job.by_creation and tick.kind != TickKind.MANUAL
    every = job.schedule.seconds if spreads and isinstance(job.schedule, Every) else None
    return tick.key | {
        "time": tick.scheduled_for.astimezone(UTC),
        "session": static_session_id(job.name),
        "temporary": job.temporary,
        "skip": job.overlap == Overlap.SKIP and not tick.queues,
        "every": every,
        "jitter": job.jitter,
        "payload": f'{{"missed": {tick.missed}}}' if tick.missed else "{}",
        "reason": REASONS[Reason.OVERLAP],
        "reason_code": Reason.OVERLAP.value,
        "quiet": REASONS[Reason.QUIET],
        "quiet_code": Reason.QUIET.value,
    }
