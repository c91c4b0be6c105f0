"""When a lease was taken: it tells the interaction that runs from one that has become due since."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; sessions that are leased at the moment have none until their next lease."""
    op.execute("alter table sessions add column leased_at timestamptz")


def downgrade() -> None:
    """Remove it."""
    op.execute("alter table sessions drop column leased_at")
