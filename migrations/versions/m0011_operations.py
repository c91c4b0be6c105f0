"""Operations: what is done to all sessions for which a condition holds, a session at a time."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
create table operations (
  id uuid primary key,
  agent_id text collate "C" not null,
  action text not null,
  request json not null,
  status text not null default 'running',
  matched bigint not null,
  position text collate "C" not null default '',
  done bigint not null default 0,
  skipped bigint not null default 0,
  failed bigint not null default 0,
  problems jsonb not null default '[]',
  created_at timestamptz not null default now(),
  checked_at timestamptz not null default now(),
  finished_at timestamptz
)
""")
    op.execute("create index operations_agent on operations (agent_id, id)")
    op.execute("create index operations_open on operations (checked_at) where status = 'running'")


def downgrade() -> None:
    op.execute("drop table operations")
