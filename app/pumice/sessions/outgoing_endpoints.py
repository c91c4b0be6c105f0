"""The endpoints of outgoing events: making, reading, changing, deleting them, and their secrets."""

import base64
import secrets
from datetime import datetime
from typing import NamedTuple

from pumice.agents.context import new_id
from pumice.agents.names import UUID_FORM
from pumice.agents.outgoing import EndpointChange, NewEndpoint
from pumice.errors import Conflict, UnknownEndpoint
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.statements import NoRow, Statement

MOST_ENDPOINTS = 100
"""Endpoints of one agent."""
ROTATION_HOURS = 24
"""Hours for which the secret before signs too."""
COUNTED = 10_000
"""Deliveries that are counted of what waits for an endpoint."""
HURRIED = 5_000
"""Deliveries that do not wait for their time when their endpoint is resumed."""
SWEPT = 500
"""Deliveries of a deleted endpoint that go in one transaction."""


class Endpoint(NamedTuple):
    """An endpoint as it is shown. rotates_until: until when the secret before signs too."""

    id: str
    url: str
    events: list[str]
    thin: bool
    status: str
    reason: str | None
    failing_since: datetime | None
    rotates_until: datetime | None
    pending: int
    created_at: datetime


class _Id(NamedTuple):
    id: str


class _Swept(NamedTuple):
    deliveries: int
    endpoints: int


INSERT = Statement(
    "insert_endpoint",
    """
insert into outgoing_endpoints (id, agent_id, url, secret, events, thin)
select %(id)s::uuid, %(agent)s, %(url)s, %(secret)s, %(events)s, %(thin)s
where (select count(*) from outgoing_endpoints where agent_id = %(agent)s and status <> 'deleted') < %(most)s
returning id::text as id
""",
    _Id,
)
"""Notes an endpoint, unless its agent has as many as it may."""

LIST = Statement(
    "list_endpoints",
    """
select e.id::text as id, e.url, e.events, e.thin, e.status, e.reason, e.failing_since,
  case when e.previous_until > now() then e.previous_until end as rotates_until,
  (select count(*) from (select from outgoing_deliveries d where d.endpoint_id = e.id and d.status = 'pending'
    limit %(counted)s) p)::int as pending,
  e.created_at
from outgoing_endpoints e
where e.agent_id = %(agent)s and e.status <> 'deleted' and (%(id)s::uuid is null or e.id = %(id)s::uuid) order by e.id
""",
    Endpoint,
)
"""The endpoints of an agent, or one of them, with how much waits for each."""

CHANGE = Statement(
    "change_endpoint",
    """
update outgoing_endpoints set url = coalesce(%(url)s, url), events = coalesce(%(events)s::text[], events),
  thin = coalesce(%(thin)s::boolean, thin), status = coalesce(%(status)s, status),
  reason = case when %(status)s::text is null or %(status)s = status then reason
    when %(status)s = 'paused' then 'asked' end,
  failing_since = case when %(status)s = 'active' and status = 'paused' then null else failing_since end,
  not_before = case when %(status)s = 'active' or %(url)s::text is not null then null else not_before end
where agent_id = %(agent)s and id = %(id)s::uuid and status <> 'deleted' returning id::text as id
""",
    _Id,
)
"""Changes what is given. One that becomes active begins anew: it has not failed yet."""

HURRY = Statement(
    "hurry_deliveries",
    """
update outgoing_deliveries set next_at = clock_timestamp()
where endpoint_id = %(id)s::uuid and event_id in (select event_id from outgoing_deliveries
  where endpoint_id = %(id)s::uuid and status = 'pending' and next_at > clock_timestamp() and claimed_until is null
  order by next_at limit %(most)s)
""",
    NoRow,
)
"""Makes due what waits for another attempt."""

ROTATE = Statement(
    "rotate_endpoint",
    """
update outgoing_endpoints set previous_secret = secret, secret = %(secret)s,
  previous_until = now() + make_interval(hours => %(hours)s)
where agent_id = %(agent)s and id = %(id)s::uuid and status <> 'deleted' returning id::text as id
""",
    _Id,
)
"""Gives an endpoint a new secret; the one before signs too for a while."""

DELETE = Statement(
    "delete_endpoint",
    """
update outgoing_endpoints set status = 'deleted', secret = '', previous_secret = null, url = ''
where agent_id = %(agent)s and id = %(id)s::uuid and status <> 'deleted' returning id::text as id
""",
    _Id,
)
"""Has an endpoint get nothing any more; its rows go in small batches later."""

SWEEP = Statement(
    "sweep_deleted_endpoints",
    """
with dead as (
  select id from outgoing_endpoints where status = 'deleted' order by id limit 1 for update skip locked
), old as (
  select d.event_id, d.endpoint_id from dead join outgoing_deliveries d on d.endpoint_id = dead.id
  order by d.event_id limit %(batch)s
), gone as (
  delete from outgoing_deliveries d using old where d.event_id = old.event_id and d.endpoint_id = old.endpoint_id
  returning d.event_id
)
select (select count(*) from gone)::int as deliveries, (select count(*) from dead)::int as endpoints
""",
    _Swept,
)
"""Deletes some deliveries of a deleted endpoint."""

FORGET = Statement(
    "forget_deleted_endpoints",
    """
delete from outgoing_endpoints e where e.status = 'deleted'
  and not exists (select from outgoing_deliveries d where d.endpoint_id = e.id)
""",
    NoRow,
)
"""Deletes deleted endpoints that have no deliveries any more."""


def new_secret() -> str:
    """A new secret, in the form of Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def create(store: StoreConnection, agent_id: str, new: NewEndpoint) -> tuple[Endpoint, str]:
    """Make an endpoint. Returns it and its secret. Raises `Conflict` when the agent has as many as it may."""
    endpoint, secret = new_id(), new_secret()
    row = {"id": endpoint, "agent": agent_id, "secret": secret, "most": MOST_ENDPOINTS}
    given = {"url": new.url, "events": list(new.events), "thin": new.thin}
    if not store.fetch(INSERT, row | given):
        raise Conflict(f"An agent has at most {MOST_ENDPOINTS} endpoints.")
    return read(store, agent_id, endpoint), secret


def list_(store: StoreConnection, agent_id: str) -> list[Endpoint]:
    """The endpoints of an agent, oldest first."""
    return store.fetch(LIST, {"agent": agent_id, "id": None, "counted": COUNTED})


def read(store: StoreConnection, agent_id: str, endpoint: str) -> Endpoint:
    """An endpoint. Raises `UnknownEndpoint`."""
    if not UUID_FORM.fullmatch(endpoint):
        raise UnknownEndpoint
    found = store.fetch(LIST, {"agent": agent_id, "id": endpoint, "counted": COUNTED})
    if not found:
        raise UnknownEndpoint
    return found[0]


def change(store: StoreConnection, agent_id: str, endpoint: str, wanted: EndpointChange) -> Endpoint:
    """Change an endpoint; what waits for one that is made active is due at once. Returns it.

    Raises `UnknownEndpoint`.
    """
    events = None if wanted.events is None else list(wanted.events)
    given = {"url": wanted.url, "events": events, "thin": wanted.thin, "status": wanted.status}
    if UUID_FORM.fullmatch(endpoint):
        store.fetch(CHANGE, {"agent": agent_id, "id": endpoint, **given})
    found = read(store, agent_id, endpoint)
    if wanted.status == "active":
        store.fetch(HURRY, {"id": endpoint, "most": HURRIED})
    return found


def rotate(store: StoreConnection, agent_id: str, endpoint: str) -> tuple[Endpoint, str]:
    """Give an endpoint a new secret. Returns both. Raises `UnknownEndpoint`."""
    secret = new_secret()
    if UUID_FORM.fullmatch(endpoint):
        store.fetch(ROTATE, {"agent": agent_id, "id": endpoint, "secret": secret, "hours": ROTATION_HOURS})
    return read(store, agent_id, endpoint), secret


def delete(store: StoreConnection, agent_id: str, endpoint: str) -> None:
    """Delete an endpoint, and what waits for it. Raises `UnknownEndpoint`."""
    if not UUID_FORM.fullmatch(endpoint) or not store.fetch(DELETE, {"agent": agent_id, "id": endpoint}):
        raise UnknownEndpoint


def sweep_endpoints(transaction: Transaction) -> tuple[int, bool]:
    """Delete a batch of what deleted endpoints left. Returns how many went, and whether there may be more."""
    row = transaction.fetch(SWEEP, {"batch": SWEPT})[0]
    if row.endpoints and row.deliveries < SWEPT:
        transaction.fetch(FORGET)
    return row.deliveries + row.endpoints, row.deliveries == SWEPT
