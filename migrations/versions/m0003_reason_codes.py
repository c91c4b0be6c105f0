"""Why an interaction did not run has a code beside its words; a session whose worker was lost is on probation."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rename the column, and add the code; what was closed before keeps its words alone."""
    op.execute("alter table sessions rename column careful to probation")
    op.execute("alter table interactions add column reason_code text")


def downgrade() -> None:
    """Undo both."""
    op.execute("alter table interactions drop column reason_code")
    op.execute("alter table sessions rename column probation to careful")
