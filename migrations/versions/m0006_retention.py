"""What retention goes by: when an interaction finished, and whether a session was ever used by anything but jobs."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add both. Of the sessions that are there already nothing is known, so they count as used, and stay."""
    op.execute("create index interactions_finished on interactions (finished_at) where finished_at is not null")
    op.execute("alter table sessions add column used boolean not null default true")
    op.execute("alter table sessions alter column used set default false")


def downgrade() -> None:
    op.execute("alter table sessions drop column used")
    op.execute("drop index interactions_finished")
