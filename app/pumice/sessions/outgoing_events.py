"""Outgoing events as operators see them: listing, reading, sending again; and what becomes of old ones."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Engine, exists, select

from pumice.agents.names import UUID_FORM
from pumice.errors import Conflict, UnknownEndpoint, UnknownEvent
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.models import OutgoingDeliveryRow, OutgoingEventRow
from pumice.sessions.statements import Statement

SWEPT = 500
"""Events that go in one transaction."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events: of a type, since a time, and with a delivery to an endpoint, of a status."""

    type: str | None = None
    since: datetime | None = None
    endpoint: str | None = None
    status: str | None = None


class Delivery(NamedTuple):
    """An event's way to an endpoint."""

    event_id: str
    endpoint_id: str
    status: str
    attempts: int
    next_at: datetime
    last_status: int | None
    last_error: str | None
    delivered_at: datetime | None
    tries: list[dict[str, Any]]


class Event(NamedTuple):
    """An event. `payload` is its data, as JSON text; lists leave it out."""

    id: str
    session_id: str
    interaction_id: str
    type: str
    payload: str
    created_at: datetime


class _Id(NamedTuple):
    id: str


class _Gone(NamedTuple):
    gone: int


READ = Statement(
    "read_outgoing_event",
    """
select id::text as id, session_id, interaction_id::text as interaction_id, type, payload::text as payload, created_at
from outgoing_events where agent_id = %(agent)s and id = %(id)s::uuid
""",
    Event,
)
"""One event."""

DELIVERIES = Statement(
    "list_deliveries_of_events",
    """
select d.event_id::text as event_id, d.endpoint_id::text as endpoint_id, d.status, d.attempts, d.next_at,
  d.last_status, d.last_error, d.delivered_at, d.tries
from unnest(%(ids)s::uuid[]) as w(id) join outgoing_deliveries d on d.event_id = w.id
join outgoing_endpoints e on e.id = d.endpoint_id and e.status <> 'deleted'
order by d.event_id, d.endpoint_id
""",
    Delivery,
)
"""The deliveries of some events."""

RESEND = Statement(
    "resend_event",
    """
insert into outgoing_deliveries (event_id, endpoint_id, agent_id, next_at)
select v.id, e.id, v.agent_id, clock_timestamp()
from outgoing_events v join outgoing_endpoints e on e.agent_id = v.agent_id and e.status <> 'deleted'
where v.agent_id = %(agent)s and v.id = %(id)s::uuid and case when %(endpoint)s::uuid is not null
  then e.id = %(endpoint)s::uuid
  else exists (select from unnest(e.events) as p where v.type like replace(replace(p, '_', '\\_'), '*', '%%'))
    or exists (select from outgoing_deliveries d where d.event_id = v.id and d.endpoint_id = e.id) end
order by e.id for key share of e
on conflict (event_id, endpoint_id) do update set status = 'pending', attempts = 0, next_at = excluded.next_at,
  claimed_until = null, claims = outgoing_deliveries.claims + 1, delivered_at = null
returning endpoint_id::text as id
""",
    _Id,
)
"""Has an event sent again: to one endpoint, or to all that take it or once did."""

FORGET = Statement(
    "erase_outgoing_events",
    """
with gone as (
  delete from outgoing_events where agent_id = %(agent)s and session_id = any(%(sessions)s) returning id
)
select count(*) as gone from gone
""",
    _Gone,
)
"""Deletes all events of sessions, sent or not."""

FORGET_SENT = Statement(
    "forget_sent_events",
    """
with sent as (
  select v.id from outgoing_events v where v.agent_id = %(agent)s and v.session_id = %(session)s and v.fanned
    and not exists (select from outgoing_deliveries d where d.event_id = v.id and d.status = 'pending')
  order by v.id limit %(most)s for update skip locked
), gone as (delete from outgoing_events v using sent where v.id = sent.id returning v.id)
select count(*) as gone from gone
""",
    _Gone,
)
"""Deletes events of a session that nobody waits for any more."""

SWEEP = Statement(
    "sweep_outgoing_events",
    """
with old as (
  select v.id from outgoing_events v
  where v.id < (lpad(to_hex((extract(epoch from now() - %(retention)s * interval '1 second') * 1000)::bigint), 12, '0')
      || repeat('0', 20))::uuid
    and v.fanned and not exists (
      select from outgoing_deliveries d join outgoing_endpoints e on e.id = d.endpoint_id and e.status = 'active'
      where d.event_id = v.id and d.status = 'pending')
  order by v.id limit %(batch)s for update skip locked
), gone as (delete from outgoing_events v using old where v.id = old.id returning v.id)
select count(*) as gone from gone
""",
    _Gone,
)
"""Deletes events that are older than the retention, but those that are still on their way to an active endpoint. An
event's id begins with the time at which it was emitted."""


def list_(engine: Engine, agent_id: str, wanted: EventFilter, *, before: str | None, limit: int) -> list[Event]:
    """The newest events of an agent that the filter lets through, older than the event `before`."""
    row = OutgoingEventRow
    query = select(row.id, row.session_id, row.interaction_id, row.type, row.created_at)
    query = query.where(row.agent_id == agent_id)
    if before is not None:
        query = query.where(row.id < uuid.UUID(before))
    if wanted.type is not None:
        query = query.where(row.type == wanted.type)
    if wanted.since is not None:
        query = query.where(row.created_at >= wanted.since)
    if wanted.endpoint is not None or wanted.status is not None:
        query = query.where(exists(_deliveries(wanted)))
    with engine.connect() as connection:
        found = connection.execute(query.order_by(row.id.desc()).limit(limit)).all()
    return [Event(str(one.id), one.session_id, str(one.interaction_id), one.type, "", one.created_at) for one in found]


def _deliveries(wanted: EventFilter) -> Any:
    delivery = OutgoingDeliveryRow
    query = select(delivery.event_id).where(delivery.event_id == OutgoingEventRow.id)
    if wanted.endpoint is not None:
        query = query.where(delivery.endpoint_id == uuid.UUID(wanted.endpoint))
    if wanted.status is not None:
        query = query.where(delivery.status == wanted.status)
    return query


def read(store: StoreConnection, agent_id: str, event: str) -> Event:
    """An event. Raises `UnknownEvent`."""
    found = store.fetch(READ, {"agent": agent_id, "id": event}) if UUID_FORM.fullmatch(event) else []
    if not found:
        raise UnknownEvent
    return found[0]


def deliveries(store: StoreConnection, events: Sequence[str]) -> dict[str, list[Delivery]]:
    """The deliveries of events, by their ids."""
    found: dict[str, list[Delivery]] = {one: [] for one in events}
    for row in store.fetch(DELIVERIES, {"ids": list(events)}):
        found[row.event_id].append(row)
    return found


def resend(store: StoreConnection, agent_id: str, event: str, endpoint: str | None) -> list[str]:
    """Have an event sent again, with its id: to one endpoint, or to all that take it. Returns their ids.

    Raises `UnknownEvent`, `UnknownEndpoint`, `Conflict` when no endpoint takes it.
    """
    known = read(store, agent_id, event)
    if endpoint is not None and not UUID_FORM.fullmatch(endpoint):
        raise UnknownEndpoint
    found = store.fetch(RESEND, {"agent": agent_id, "id": known.id, "endpoint": endpoint})
    if not found and endpoint is not None:
        raise UnknownEndpoint
    if not found:
        raise Conflict(f"No endpoint takes {known.type}.")
    return [row.id for row in found]


def forget_events(transaction: Transaction, agent_id: str, sessions: Sequence[str]) -> int:
    """Delete all outgoing events of sessions. Returns how many there were."""
    return transaction.fetch(FORGET, {"agent": agent_id, "sessions": list(sessions)})[0].gone


def forget_sent(transaction: Transaction, agent_id: str, session_id: str, *, most: int) -> int:
    """Delete events of a session that are not on their way. Returns how many; the sweep takes the others later."""
    return transaction.fetch(FORGET_SENT, {"agent": agent_id, "session": session_id, "most": most})[0].gone


def sweep_events(transaction: Transaction, retention: float) -> tuple[int, bool]:
    """Delete a batch of old events. Returns how many went, and whether there may be more."""
    gone = transaction.fetch(SWEEP, {"retention": retention, "batch": SWEPT})[0].gone
    return gone, gone == SWEPT
