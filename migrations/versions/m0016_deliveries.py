"""Deliveries: requests to hooks that ran no turn, counts of all, and secrets that senders handed over."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
create table deliveries (
  id uuid primary key,
  agent_id text collate "C" not null,
  hook text collate "C" not null,
  status text not null,
  reason text,
  source text,
  event text,
  delivery_id text,
  session_id text collate "C",
  interaction_id uuid,
  method text not null,
  path text not null,
  headers json not null,
  body bytea,
  size integer not null,
  received_at timestamptz not null default now()
)
""")
    op.execute("create index deliveries_hook on deliveries (agent_id, hook, id)")
    op.execute("create index deliveries_session on deliveries (agent_id, session_id) where session_id is not null")
    op.execute("""
create table hook_counts (
  agent_id text collate "C",
  hook text collate "C",
  event text collate "C",
  status text,
  count bigint not null,
  primary key (agent_id, hook, event, status)
)
""")
    op.execute("""
create table hook_secrets (
  id uuid primary key,
  agent_id text collate "C" not null,
  hook text collate "C" not null,
  secret text not null,
  accepted_at timestamptz,
  received_at timestamptz not null default now()
)
""")
    op.execute("create index hook_secrets_hook on hook_secrets (agent_id, hook, id)")
    op.execute("alter table sessions add column hook_times jsonb")
    op.execute("create index interactions_deliveries on interactions (agent_id, name, id) where kind = 'hook'")


def downgrade() -> None:
    op.execute("drop index interactions_deliveries")
    op.execute("alter table sessions drop column hook_times")
    op.execute("drop table hook_secrets")
    op.execute("drop table hook_counts")
    op.execute("drop table deliveries")
