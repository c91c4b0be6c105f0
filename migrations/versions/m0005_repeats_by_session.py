"""A repeat is recognised in its session, or among those without one; a commit can refuse itself."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Known repeats stay known: what was sent to a temporary session counts as sent without one."""
    op.execute("alter table interactions add column dedupe_unnamed boolean, add column fingerprint text")
    op.execute("""
update interactions i set dedupe_unnamed = true from sessions s
where i.dedupe_key is not null and s.agent_id = i.agent_id and s.id = i.session_id and s.temporary
""")
    op.execute("drop index interactions_dedupe")
    op.execute("""
update interactions i set dedupe_source = 'chat'
where dedupe_key is not null and dedupe_source like 'chat:%' and not exists (select from interactions o
  where o.agent_id = i.agent_id and o.dedupe_source = 'chat' and o.session_id = i.session_id
    and o.dedupe_key = i.dedupe_key)
""")
    op.execute("""
create unique index interactions_dedupe on interactions (agent_id, dedupe_source, session_id, dedupe_key)
where dedupe_key is not null
""")
    op.execute("""
create unique index interactions_dedupe_unnamed on interactions (agent_id, dedupe_source, dedupe_key)
where dedupe_unnamed
""")
    op.execute("""
create function pumice_closed_meanwhile() returns boolean language plpgsql as $$
begin raise exception 'a turn''s interaction was closed meanwhile' using errcode = 'PU001'; end $$
""")


def downgrade() -> None:
    """Of several sessions' deliveries with one id, the first keeps it."""
    op.execute("drop function pumice_closed_meanwhile()")
    op.execute("drop index interactions_dedupe_unnamed")
    op.execute("drop index interactions_dedupe")
    op.execute("""
update interactions i set dedupe_key = null
where dedupe_key is not null and exists (select from interactions o where o.agent_id = i.agent_id
  and o.dedupe_source = i.dedupe_source and o.dedupe_key = i.dedupe_key and o.seq < i.seq)
""")
    op.execute("""
create unique index interactions_dedupe on interactions (agent_id, dedupe_source, dedupe_key)
where dedupe_key is not null
""")
    op.execute("alter table interactions drop column fingerprint, drop column dedupe_unnamed")
