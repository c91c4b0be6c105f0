"""Outgoing events: what agents emit, the endpoints that take it, and the deliveries on their way."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

ENDPOINTS = """
create table outgoing_endpoints (
  id uuid primary key,
  agent_id text collate "C" not null,
  url text not null,
  secret text not null,
  previous_secret text,
  previous_until timestamptz,
  events text[] not null,
  thin boolean not null,
  status text not null default 'active',
  reason text,
  failing_since timestamptz,
  not_before timestamptz,
  created_at timestamptz not null default now()
)
"""
EVENTS = """
create table outgoing_events (
  id uuid primary key,
  agent_id text collate "C" not null,
  session_id text collate "C" not null,
  interaction_id uuid not null,
  type text not null,
  payload json not null,
  fanned boolean not null default false,
  created_at timestamptz not null default now()
)
"""
DELIVERIES = """
create table outgoing_deliveries (
  event_id uuid not null references outgoing_events (id) on delete cascade,
  endpoint_id uuid not null references outgoing_endpoints (id),
  agent_id text collate "C" not null,
  status text not null default 'pending',
  attempts integer not null default 0,
  claims integer not null default 0,
  next_at timestamptz not null default now(),
  claimed_until timestamptz,
  last_status integer,
  last_error text,
  delivered_at timestamptz,
  tries jsonb not null default '[]',
  primary key (event_id, endpoint_id)
)
"""


def upgrade() -> None:
    for table in (ENDPOINTS, EVENTS, DELIVERIES):
        op.execute(table)
    op.execute("create index outgoing_endpoints_agent on outgoing_endpoints (agent_id, id)")
    op.execute("create index outgoing_events_agent on outgoing_events (agent_id, id)")
    op.execute("create index outgoing_events_session on outgoing_events (agent_id, session_id)")
    op.execute("create index outgoing_events_new on outgoing_events (id) where not fanned")
    op.execute(
        "create index outgoing_deliveries_due on outgoing_deliveries (endpoint_id, next_at) where status = 'pending'"
    )
    op.execute(
        "create index outgoing_deliveries_claimed on outgoing_deliveries (endpoint_id) where claimed_until is not null"
    )
    op.execute("create index outgoing_deliveries_endpoint on outgoing_deliveries (endpoint_id, event_id)")
    op.execute("create index outgoing_deliveries_status on outgoing_deliveries (agent_id, status)")


def downgrade() -> None:
    for table in ("outgoing_deliveries", "outgoing_events", "outgoing_endpoints"):
        op.execute(f"drop table {table}")
