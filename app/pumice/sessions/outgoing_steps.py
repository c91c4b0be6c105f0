"""The steps by which outgoing events reach their endpoints: fan out, claim, record.

An event that a turn emitted is a row of the turn's commit. Fanning out gives it a delivery for each endpoint that takes
it. A claim lends due deliveries to a worker for a while, which sends them outside of any transaction and records what
came of it. Whatever is killed between two steps, the next one is taken up again from what stands here: so an event may
come twice, with the same id, and is never lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pumice.sessions.connections import StoreConnection
from pumice.sessions.parameters import json_rows
from pumice.sessions.statements import NoRow, Statement

BATCH = 200
"""Events that are fanned out at a time, and endpoints that are looked at for a claim."""
LEASE = 30.0
"""Seconds that a claimed delivery is its worker's: twice as long as an attempt may take."""
EACH = 4
"""Deliveries to one endpoint at a time, of all workers together; to one that fails, a single one."""
TRIES = 20
"""Attempts of a delivery that are told, the newest."""
PAUSED_AFTER_DAYS = 5
"""Days after which an endpoint is paused to which no delivery went well meanwhile."""
FIRST = "00000000-0000-0000-0000-000000000000"
"""Comes before the id of any endpoint."""


class Claimed(NamedTuple):
    """A delivery that is to be sent now. `previous` is the secret before, while it signs too."""

    event_id: str
    endpoint_id: str
    agent_id: str
    claims: int
    attempts: int
    url: str
    secret: str
    previous: str | None
    thin: bool
    type: str
    payload: str
    session_id: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What came of an attempt.

    delay: seconds until the next attempt; None when there is none. gone: the endpoint wants nothing any more.
    hold: seconds for which it wants nothing. tried: what is told of the attempt.
    """

    event_id: str
    endpoint_id: str
    claims: int
    is_delivered: bool = False
    gone: bool = False
    delay: float | None = None
    hold: float | None = None
    status: int | None = None
    error: str | None = None
    tried: Mapping[str, Any]


class _Count(NamedTuple):
    n: int


class _Ready(NamedTuple):
    endpoint_id: str
    agent_id: str


class _Ended(NamedTuple):
    endpoint_id: str
    agent_id: str
    reason: str | None


FAN_OUT = Statement(
    "fan_out_events",
    """
with fresh as (
  select id, agent_id, type from outgoing_events where not fanned order by id limit %(batch)s for update skip locked
), takers as (
  select f.id as event_id, e.id as endpoint_id, f.agent_id
  from fresh f join outgoing_endpoints e on e.agent_id = f.agent_id and e.status <> 'deleted'
  where exists (select from unnest(e.events) as p where f.type like replace(replace(p, '_', '\\_'), '*', '%%'))
  for key share of e
), made as (
  insert into outgoing_deliveries (event_id, endpoint_id, agent_id, next_at)
  select event_id, endpoint_id, agent_id, clock_timestamp() from takers order by event_id, endpoint_id
  on conflict do nothing
), marked as (
  update outgoing_events v set fanned = true from fresh f where v.id = f.id returning v.id
)
select count(*) as n from marked
""",
    _Count,
)
"""Gives new events their deliveries. Several workers may be at it, each with events of its own."""

READY = Statement(
    "list_ready_endpoints",
    """
with recursive scan as (
  (select endpoint_id, next_at from outgoing_deliveries where status = 'pending' and endpoint_id > %(after)s::uuid
    order by endpoint_id, next_at limit 1)
  union all
  (select n.endpoint_id, n.next_at from scan s cross join lateral (
    select d.endpoint_id, d.next_at from outgoing_deliveries d
    where d.status = 'pending' and d.endpoint_id > s.endpoint_id order by d.endpoint_id, d.next_at limit 1) n)
)
select e.id::text as endpoint_id, e.agent_id from scan s cross join lateral (
  select e.id, e.agent_id from outgoing_endpoints e where e.id = s.endpoint_id and e.status = 'active'
    and (e.not_before is null or e.not_before <= clock_timestamp()) and e.agent_id <> all(%(full)s) offset 0) e
where s.next_at <= clock_timestamp() limit %(batch)s
""",
    _Ready,
)
"""Endpoints to which something is due, in the order of their ids. Steps from one to the next by the index, however much
waits for each."""

CLAIM = Statement(
    "claim_deliveries",
    """
with free as (
  select e.id, e.url, e.secret, e.thin, w.most, e.failing_since,
    case when e.previous_until > clock_timestamp() then e.previous_secret end as previous
  from json_to_recordset(%(wanted)s::json) as w(endpoint_id uuid, most int)
  join outgoing_endpoints e on e.id = w.endpoint_id
  where e.status = 'active' and (e.not_before is null or e.not_before <= clock_timestamp())
  order by e.id for no key update of e skip locked
), due as (
  select d.event_id, d.endpoint_id from free f cross join lateral (
    select d.event_id, d.endpoint_id from outgoing_deliveries d
    where d.endpoint_id = f.id and d.status = 'pending' and d.next_at <= clock_timestamp() order by d.next_at
    limit greatest(0, least(f.most, case when f.failing_since is null then %(each)s else 1 end - (
      select count(*) from outgoing_deliveries b
      where b.endpoint_id = f.id and b.claimed_until is not null and b.claimed_until > clock_timestamp())))
    for update of d skip locked) d
), claimed as (
  update outgoing_deliveries d set claims = d.claims + 1,
    claimed_until = clock_timestamp() + %(lease)s * interval '1 second',
    next_at = clock_timestamp() + %(lease)s * interval '1 second'
  from due where d.event_id = due.event_id and d.endpoint_id = due.endpoint_id
  returning d.event_id, d.endpoint_id, d.agent_id, d.claims, d.attempts
)
select c.event_id::text as event_id, c.endpoint_id::text as endpoint_id, c.agent_id, c.claims, c.attempts, f.url,
  f.secret, f.previous, f.thin, v.type, v.payload::text as payload, v.session_id, v.created_at
from claimed c join free f on f.id = c.endpoint_id join outgoing_events v on v.id = c.event_id
""",
    Claimed,
)
"""Lends due deliveries of these endpoints, each as many as there is room for, the longest due first.

The endpoint's row is locked so that two workers do not take its room at once; what another holds is left for the next
time.
"""

RECORD = Statement(
    "record_deliveries",
    """
with r as (
  select * from json_to_recordset(%(rows)s::json) as r(event_id uuid, endpoint_id uuid, claims int,
    is_delivered boolean, gone boolean, delay float8, hold float8, status int, error text, tried jsonb)
), held as (
  select e.id from outgoing_endpoints e where e.id in (select endpoint_id from r) order by e.id for no key update
), recorded as (
  update outgoing_deliveries d set
    status = case when r.is_delivered then 'delivered' when r.delay is null then 'failed' else 'pending' end,
    attempts = d.attempts + 1, claimed_until = null,
    next_at = clock_timestamp() + coalesce(r.delay, 0) * interval '1 second',
    last_status = r.status, last_error = r.error,
    delivered_at = case when r.is_delivered then clock_timestamp() end,
    tries = case when jsonb_array_length(d.tries) < %(tries)s then d.tries else d.tries - 0 end
      || jsonb_build_array(r.tried)
  from r join held h on h.id = r.endpoint_id
  where d.event_id = r.event_id and d.endpoint_id = r.endpoint_id and d.status = 'pending' and d.claims = r.claims
    and d.claimed_until is not null
  returning d.endpoint_id, d.agent_id, d.status, r.is_delivered, r.gone, r.hold
), met as (
  select endpoint_id, bool_or(is_delivered) as well, bool_or(gone) as gone, max(hold) as hold
  from recorded group by endpoint_id
), counted as (
  insert into counters (name, value)
  select 'outgoing ' || agent_id || ' ' || case status when 'pending' then 'retried' else status end, count(*)
  from recorded group by 1 order by 1
  on conflict (name) do update set value = counters.value + excluded.value
)
update outgoing_endpoints e set
  failing_since = case when m.well then null else coalesce(e.failing_since, clock_timestamp()) end,
  not_before = greatest(e.not_before, clock_timestamp() + m.hold * interval '1 second'),
  status = case when e.status <> 'active' then e.status
    when m.gone or (not m.well and e.failing_since < clock_timestamp() - make_interval(days => %(days)s)) then 'paused'
    else e.status end,
  reason = case when e.status <> 'active' then e.reason when m.gone then 'gone'
    when not m.well and e.failing_since < clock_timestamp() - make_interval(days => %(days)s) then 'failing' end
from met m
where e.id = m.endpoint_id and (not m.well or m.gone or m.hold is not null or e.failing_since is not null)
returning e.id::text as endpoint_id, e.agent_id, e.reason
""",
    _Ended,
)
"""Notes what came of attempts whose claim still stands, counts them, and pauses endpoints that want nothing any more or
have failed for too long. Returns the endpoints that did not take all, with why they are paused, if they are."""

RELEASE = Statement(
    "release_deliveries",
    """
update outgoing_deliveries d set claimed_until = null, next_at = clock_timestamp()
from json_to_recordset(%(rows)s::json) as r(event_id uuid, endpoint_id uuid, claims int)
where d.event_id = r.event_id and d.endpoint_id = r.endpoint_id and d.status = 'pending' and d.claims = r.claims
  and d.claimed_until is not null
""",
    NoRow,
)
"""Gives claims back of which nothing can be told."""


def fan_out(store: StoreConnection) -> bool:
    """Give new events their deliveries. Returns whether there were any. Raises `StoreAwayError`."""
    return store.fetch(FAN_OUT, {"batch": BATCH}, again=True)[0].n > 0


def ready(store: StoreConnection, *, after: str = FIRST, full: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Endpoints to which something is due, each with its agent, from the one after `after` on.

    full: agents that get none. Raises `StoreAwayError`.
    """
    rows = store.fetch(READY, {"after": after, "full": list(full), "batch": BATCH}, again=True)
    return [(row.endpoint_id, row.agent_id) for row in rows]


def claim(store: StoreConnection, wanted: Mapping[str, int], *, lease: float = LEASE) -> list[Claimed]:
    """Take what is due to these endpoints, up to as many as are wanted of each, for `lease` seconds.

    Raises `StoreAwayError`; then it may have happened, and they are due again when the lease is over.
    """
    rows = [{"endpoint_id": endpoint, "most": most} for endpoint, most in wanted.items()]
    return store.fetch(CLAIM, {"wanted": json_rows(rows), "each": EACH, "lease": lease})


def record(store: StoreConnection, done: Sequence[Recorded]) -> dict[str, str]:
    """Record what came of attempts. Returns why endpoints are paused that are by now, by their ids.

    One whose claim does not stand any more is left out: then it is another's. Raises `StoreAwayError`; then it may be
    done again.
    """
    rows = [asdict(one) for one in done]
    found = store.fetch(RECORD, {"rows": json_rows(rows), "tries": TRIES, "days": PAUSED_AFTER_DAYS}, again=True)
    return {row.endpoint_id: row.reason for row in found if row.reason is not None}


def release(store: StoreConnection, claims: Sequence[Claimed]) -> None:
    """Give claims back, to be taken at once by whoever comes next. Raises `StoreAwayError`."""
    rows = [{"event_id": one.event_id, "endpoint_id": one.endpoint_id, "claims": one.claims} for one in claims]
    store.fetch(RELEASE, {"rows": json_rows(rows)}, again=True)
