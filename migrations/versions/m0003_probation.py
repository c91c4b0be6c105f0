"""A session whose worker was lost is on probation."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.alter_column("sessions", "careful", new_column_name="probation")


def downgrade() -> None:
    op.alter_column("sessions", "probation", new_column_name="careful")
