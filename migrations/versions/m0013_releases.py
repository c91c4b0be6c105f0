"""Releases: a share of an agent's sessions, and lanes of replays, that workers of another release run."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
create table canaries (
  agent_id text collate "C" primary key,
  release text not null,
  share integer not null,
  created_at timestamptz not null default now()
)
""")
    op.execute("alter table workers add column release text not null default ''")
    op.execute(
        "alter table replay_sessions add column lane text not null default 'candidate', add column baseline json"
    )


def downgrade() -> None:
    op.execute("alter table replay_sessions drop column lane, drop column baseline")
    op.execute("alter table workers drop column release")
    op.execute("drop table canaries")
