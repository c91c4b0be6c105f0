"""Recordings: what a turn's language model and tools answered, for replays."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table interactions add column recording json")


def downgrade() -> None:
    op.execute("alter table interactions drop column recording")
