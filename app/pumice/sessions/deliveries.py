"""Reading deliveries: those that ran a turn are its interactions, the others have a table of their own.

Both have ids that grow with time, so that one list of them is two lists merged.
"""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from pumice.agents.json_text import loads
from pumice.agents.sources import event_matches
from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import Statement

FIRST_ID = "00000000-0000-0000-0000-000000000000"
LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"
UNSELECTED = "its selector found no session, so that it went to a temporary one"
MOST_READ = 5_000
"""Rows that one page looks through for those of an event."""
READ_AT_ONCE = 200
STATUSES = ("accepted", "refused", "filtered", "repeated", "handshake")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries. hooks: an address, and the names of the interactions of its hooks, by address."""

    agent_id: str
    hooks: Mapping[str, Sequence[str]]
    status: str | None = None
    event: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery. headers, path and body are as they are stored."""

    id: str
    hook: str
    status: str
    reason: str | None
    source: str | None
    event: str | None
    delivery_id: str | None
    session_id: str | None
    interaction_id: str | None
    replayed_from: str | None
    received_at: datetime
    method: str
    path: str
    headers: Sequence[Sequence[str]]
    body: bytes | None = None
    size: int = 0


class _Accepted(NamedTuple):
    id: str
    name: str
    session_id: str
    payload: str
    dedupe_key: str | None
    accepted_at: datetime
    body: bytes | None
    size: int


class _Other(NamedTuple):
    id: str
    hook: str
    status: str
    reason: str | None
    source: str | None
    event: str | None
    delivery_id: str | None
    session_id: str | None
    interaction_id: str | None
    received_at: datetime
    method: str
    path: str
    headers: str
    body: bytes | None
    size: int


LIST_ACCEPTED = Statement(
    "list_accepted_deliveries",
    """
select i.* from unnest(%(names)s::text[]) as n(name) cross join lateral (
  select i.id::text as id, i.name, i.session_id, i.payload::text as payload, i.dedupe_key, i.accepted_at,
    null::bytea as body, coalesce(length(i.body), 0) as size
  from interactions i
  where i.agent_id = %(agent)s and i.name = n.name and i.kind = 'hook' and i.id < %(before)s::uuid
    and i.id >= %(since)s::uuid and i.reason_code is distinct from 'deleted'
  order by i.id desc limit %(limit)s
) i
order by i.id desc limit %(limit)s
""",
    _Accepted,
)
"""The newest deliveries that ran a turn, before an id."""

LIST_OTHERS = Statement(
    "list_other_deliveries",
    """
select d.* from unnest(%(hooks)s::text[]) as n(hook) cross join lateral (
  select d.id::text as id, d.hook, d.status, d.reason, d.source, d.event, d.delivery_id, d.session_id,
    d.interaction_id::text as interaction_id, d.received_at, d.method, d.path, d.headers::text as headers,
    null::bytea as body, d.size
  from deliveries d
  where d.agent_id = %(agent)s and d.hook = n.hook and d.id < %(before)s::uuid and d.id >= %(since)s::uuid
    and (%(status)s::text is null or d.status = %(status)s)
  order by d.id desc limit %(limit)s
) d
order by d.id desc limit %(limit)s
""",
    _Other,
)
"""The newest deliveries that ran none, before an id."""

READ_ACCEPTED = Statement(
    "read_accepted_delivery",
    """
select id::text as id, name, session_id, payload::text as payload, dedupe_key, accepted_at, body,
  coalesce(length(body), 0) as size
from interactions where id = %(id)s::uuid and agent_id = %(agent)s and kind = 'hook'
""",
    _Accepted,
)
"""A delivery that ran a turn."""

READ_OTHER = Statement(
    "read_other_delivery",
    """
select id::text as id, hook, status, reason, source, event, delivery_id, session_id,
  interaction_id::text as interaction_id, received_at, method, path, headers::text as headers, body, size
from deliveries where id = %(id)s::uuid and agent_id = %(agent)s
""",
    _Other,
)
"""A delivery that ran none."""


def list_deliveries(
    store: StoreConnection, wanted: Wanted, *, before: str | None, limit: int
) -> tuple[list[Delivery], str | None]:
    """A page of deliveries, newest first, and where the next one begins; None after the last. Raises `StoreAwayError`.

    A page of an event may hold fewer than `limit`, and others follow: it looks through `MOST_READ` at the most.
    """
    found: list[Delivery] = []
    position, read = before or LAST_ID, 0
    while len(found) < limit and read < MOST_READ:
        size = limit if wanted.event is None else READ_AT_ONCE
        page = _page(store, wanted, position, size)
        for one in page:
            position = one.id
            if _has_event(one, wanted.event):
                found.append(one)
            if len(found) == limit:
                return found, position
        read += size
        if len(page) < size:
            return found, None
    return found, position


def read_delivery(store: StoreConnection, agent_id: str, delivery_id: str) -> Delivery | None:
    """One delivery, with its body. Raises `StoreAwayError`."""
    key = {"id": delivery_id, "agent": agent_id}
    accepted = store.fetch(READ_ACCEPTED, key)
    if accepted:
        return _of_interaction(accepted[0])
    others = store.fetch(READ_OTHER, key)
    return _of_row(others[0]) if others else None


def _page(store: StoreConnection, wanted: Wanted, before: str, limit: int) -> list[Delivery]:
    bounds = {"agent": wanted.agent_id, "before": before, "since": _first_id(wanted.since), "limit": limit}
    found: list[Delivery] = []
    if wanted.status in {None, "accepted"}:
        names = [name for group in wanted.hooks.values() for name in group]
        found += map(_of_interaction, store.fetch(LIST_ACCEPTED, {**bounds, "names": names}))
    if wanted.status != "accepted":
        others = {**bounds, "hooks": list(wanted.hooks), "status": wanted.status}
        found += map(_of_row, store.fetch(LIST_OTHERS, others))
    return sorted(found, key=_id, reverse=True)[:limit]


_id: Callable[[Delivery], str] = lambda one: one.id  # noqa: E731 (a key)


def _has_event(one: Delivery, event: str | None) -> bool:
    return event is None or event_matches(one.event, [event])


def _first_id(since: datetime | None) -> str:
    """The smallest id of a version 7 UUID made at that time (RFC 9562, section 5.7)."""
    if since is None:
        return FIRST_ID
    milliseconds = min(max(int(since.timestamp() * 1000), 0), 2**48 - 1)
    return str(uuid.UUID(int=milliseconds << 80))


def _of_interaction(row: _Accepted) -> Delivery:
    payload: dict[str, Any] = loads(row.payload)
    return Delivery(
        id=row.id,
        hook=row.name.partition(":")[0],
        status="accepted",
        reason=UNSELECTED if payload.get("unselected") else None,
        source=payload.get("source"),
        event=payload.get("event"),
        delivery_id=payload.get("deliveryId") or row.dedupe_key,
        session_id=row.session_id,
        interaction_id=row.id,
        replayed_from=payload.get("replayedFrom"),
        received_at=row.accepted_at,
        method=payload["method"],
        path=payload["path"],
        headers=payload["headers"],
        body=row.body,
        size=row.size,
    )


def _of_row(row: _Other) -> Delivery:
    return Delivery(
        id=row.id,
        hook=row.hook,
        status=row.status,
        reason=row.reason,
        source=row.source,
        event=row.event,
        delivery_id=row.delivery_id,
        session_id=row.session_id,
        interaction_id=row.interaction_id,
        replayed_from=None,
        received_at=row.received_at,
        method=row.method,
        path=row.path,
        headers=loads(row.headers),
        body=row.body,
        size=row.size,
    )
