"""The tables, their indexes, and the function that makes ids in SQL."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
create table agents (
  id text collate "C" primary key,
  created_at timestamptz not null default now()
);

create table api_keys (
  hash bytea primary key,
  prefix text collate "C" not null unique,
  kind text not null check (kind in ('public', 'secret')),
  agent_id text collate "C" not null references agents on delete cascade,
  created_at timestamptz not null default now(),
  revoked_at timestamptz
);

create table sessions (
  agent_id text collate "C" not null,
  id text collate "C" not null,
  state jsonb,
  version bigint not null default 0,
  message_count integer not null default 0,
  history_start integer not null default 0,
  temporary boolean not null default false,
  expires_at timestamptz,
  metadata jsonb not null default '{}',
  lease_token bigint,
  lease_worker bigint,
  lease_until timestamptz,
  careful boolean not null default false,
  blocked_until timestamptz,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (agent_id, id)
) with (fillfactor = 70);
create index sessions_expiring on sessions (expires_at) where temporary;

create table interactions (
  id uuid primary key,
  seq bigint not null generated always as identity,
  agent_id text collate "C" not null,
  session_id text collate "C" not null,
  kind text not null check (kind in ('chat', 'socket', 'hook', 'job', 'call')),
  name text,
  payload json not null,
  body bytea,
  dedupe_source text collate "C",
  dedupe_key text collate "C",
  status text not null default 'queued'
    check (status in ('queued', 'done', 'failed', 'dead', 'cancelled', 'skipped')),
  reason text,
  superseded_by uuid,
  attempts smallint not null default 0,
  scheduled_for timestamptz,
  available_at timestamptz not null default now(),
  wake_at timestamptz not null default now(),
  accepted_at timestamptz not null default now(),
  woken_at timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  result json,
  errors jsonb,
  usage jsonb,
  reply_to text,
  lease_token bigint
);
create index interactions_queued on interactions (agent_id, session_id, seq) where status = 'queued';
create index interactions_wake on interactions (wake_at) where status = 'queued' and wake_at > '-infinity';
create unique index interactions_dedupe on interactions (agent_id, dedupe_source, dedupe_key)
  where dedupe_key is not null;
create index interactions_history on interactions (agent_id, session_id, seq);
create index interactions_dead on interactions (agent_id, seq) where status in ('dead', 'failed');

create table messages (
  agent_id text collate "C" not null,
  session_id text collate "C" not null,
  seq integer not null,
  role text not null,
  content json not null,
  data json,
  interaction_id uuid not null,
  created_at timestamptz not null default now(),
  primary key (agent_id, session_id, seq)
);

create table ticks (
  agent_id text collate "C" not null,
  job text collate "C" not null,
  scheduled_for timestamptz not null,
  cursor text collate "C" not null default '',
  sessions bigint not null default 0,
  skipped bigint not null default 0,
  created_at timestamptz not null default now(),
  progressed_at timestamptz not null default now(),
  done_at timestamptz,
  primary key (agent_id, job, scheduled_for)
);
create index ticks_open on ticks (progressed_at) where done_at is null;

create table workers (
  id bigint generated always as identity primary key,
  name text not null,
  holds_lock boolean not null,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  suspected_at timestamptz
);
"""

UUID7 = """
create function pumice_uuid7() returns uuid language sql volatile parallel safe as $$
  select encode(set_bit(set_bit(
    overlay(uuid_send(gen_random_uuid())
      placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6),
    52, 1), 53, 1), 'hex')::uuid
$$;
comment on function pumice_uuid7() is 'UUID version 7 (RFC 9562): milliseconds since 1970, then random bits';
"""

AUTOVACUUM = """
alter table sessions set (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 500,
  autovacuum_vacuum_cost_delay = 0);
alter table interactions set (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0);
"""


def upgrade() -> None:
    """Make everything."""
    op.execute(TABLES)
    op.execute(UUID7)
    op.execute(AUTOVACUUM)


def downgrade() -> None:
    """Remove everything, data included."""
    op.execute("drop function pumice_uuid7()")
    op.execute("drop table workers, ticks, messages, interactions, sessions, api_keys, agents")
