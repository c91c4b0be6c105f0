"""Replays: recorded interactions that ran again in quiet forks, and what came out differently."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
create table replays (
  id uuid primary key,
  agent_id text collate "C" not null,
  request json not null,
  created_at timestamptz not null default now()
)
""")
    op.execute("create index replays_agent on replays (agent_id, id)")
    op.execute("""
create table replay_sessions (
  replay_id uuid not null references replays (id) on delete cascade,
  number integer not null,
  agent_id text collate "C" not null,
  session_id text collate "C" not null,
  status text not null default 'queued',
  start bigint,
  position bigint,
  until bigint,
  turns json,
  error text,
  checked_at timestamptz not null default now(),
  primary key (replay_id, number)
)
""")
    op.execute(
        "create index replay_sessions_open on replay_sessions (checked_at) where status in ('queued', 'running')"
    )


def downgrade() -> None:
    op.execute("drop table replay_sessions")
    op.execute("drop table replays")
