"""Operations that survive what they run, deleted sessions that are known by name, and canaries that can go back."""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

NAME_TOMBS = """
update sessions t set former_id = n.name from (
  select p.agent_id, p.id, min(f.parent_session) as name
  from sessions p join sessions f on f.parent_line = p.line
  where p.deleted_at is not null group by p.agent_id, p.id having count(distinct f.parent_session) = 1
) n where t.agent_id = n.agent_id and t.id = n.id
"""
"""Names a deleted session after what its forks call their parent, if they all call it the same."""
DROP_INDEXES = """
do $$
declare name text;
begin
  for name in select c.relname from pg_index i join pg_class c on c.oid = i.indexrelid
    where i.indrelid = 'sessions'::regclass and c.relname like 'sessions\\_by\\_%'
  loop
    execute format('drop index %I', name);
  end loop;
end $$
"""
"""Drops the indexes that agents declared: they hold whole texts. Workers make new ones under other names."""


def upgrade() -> None:
    op.execute('alter table sessions add column former_id text collate "C"')
    op.execute("create index sessions_former on sessions (agent_id, former_id) where former_id is not null")
    op.execute(NAME_TOMBS)
    op.execute("""
alter table operations
  add column session_id text collate "C",
  add column takes integer not null default 0,
  add column begun boolean not null default false
""")
    op.execute("drop index operations_open")
    op.execute("create index operations_open on operations (checked_at) where status = 'running' or begun")
    op.execute("update operations set position = '' where status <> 'running'")
    op.execute("alter table canaries add column snapshot text, add column most integer not null default 0")
    op.execute("update canaries set most = share")
    op.execute("alter table workers add column looked_at timestamptz")
    op.execute(DROP_INDEXES)


def downgrade() -> None:
    op.execute("alter table workers drop column looked_at")
    op.execute("delete from canaries where share = 0")
    op.execute("alter table canaries drop column snapshot, drop column most")
    op.execute("drop index operations_open")
    op.execute("create index operations_open on operations (checked_at) where status = 'running'")
    op.execute("alter table operations drop column session_id, drop column takes, drop column begun")
    op.execute("drop index sessions_former")
    op.execute("alter table sessions drop column former_id")
    op.execute(DROP_INDEXES)
