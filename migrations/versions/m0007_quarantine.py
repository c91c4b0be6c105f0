"""Sessions that a lost worker held are run in groups, apart from the others; crashes are counted beside attempts."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Each session that is on probation now becomes a group of its own."""
    op.execute("create sequence suspect_groups")
    op.execute("alter table sessions add column suspect_group bigint")
    op.execute("update sessions set suspect_group = -nextval('suspect_groups') where probation")
    op.execute("create index sessions_suspects on sessions (suspect_group) where probation")
    op.execute("alter table workers add column agents text[]")
    op.execute("alter table interactions add column crashes smallint not null default 0")


def downgrade() -> None:
    """Undo all of it."""
    op.execute("alter table workers drop column agents")
    op.execute("alter table interactions drop column crashes")
    op.execute("drop index sessions_suspects")
    op.execute("alter table sessions drop column suspect_group")
    op.execute("drop sequence suspect_groups")
