"""Counters of what happened in any process, such as threads lost to handlers that never return."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
create table counters (
  name text primary key,
  value bigint not null default 0
)
""")


def downgrade() -> None:
    op.execute("drop table counters")
