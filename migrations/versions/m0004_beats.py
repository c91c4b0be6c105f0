"""Beats show that they live, for `pumice health beat`."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
create table beats (
  name text primary key,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now()
)
""")


def downgrade() -> None:
    op.execute("drop table beats")
