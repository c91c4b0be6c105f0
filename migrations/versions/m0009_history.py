"""Points of a session's life: what was left after each turn; snapshots, forks and restores stand on them.

States become `json`: it keeps the order of keys and every digit of a number, which `jsonb` does not. Changing the type
rewrites the table `sessions`, under a lock: plan a minute for each million sessions.
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

SESSIONS = """
alter table sessions
  alter column state type json using state::json,
  add column state_delta bytea,
  add column stale boolean not null default false,
  add column base bytea,
  add column keyframe bigint,
  add column state_version integer not null default 1,
  add column code_version text,
  add column line bigint,
  add column transcript json,
  add column parent_line bigint,
  add column parent_point bigint,
  add column parent_session text collate "C",
  add column parent_interaction uuid,
  add column quiet boolean not null default false,
  add column deleted_at timestamptz
"""
INTERACTIONS = """
alter table interactions
  add column point bigint,
  add column keyframe bigint,
  add column delta bytea,
  add column state_version integer,
  add column code_version text,
  add column history_start integer,
  add column message_count integer,
  add column transcript json,
  add column effects json
"""
KINDS = """
alter table interactions drop constraint interactions_kind_check,
  add constraint interactions_kind_check check (kind in ('chat', 'socket', 'hook', 'job', 'call'{more}))
"""
KEYFRAMES = """
create table keyframes (
  agent_id text collate "C",
  session_id text collate "C",
  id bigint,
  point bigint not null,
  data bytea not null,
  created_at timestamptz not null default now(),
  primary key (agent_id, session_id, id)
)
"""
SNAPSHOTS = """
create table snapshots (
  agent_id text collate "C",
  session_id text collate "C",
  name text collate "C",
  note text,
  interaction_id uuid,
  point bigint not null,
  keyframe bigint,
  delta bytea,
  state_version integer not null,
  code_version text,
  history_start integer not null,
  message_count integer not null,
  transcript json,
  created_at timestamptz not null default now(),
  primary key (agent_id, session_id, name)
)
"""
PRUNABLE = """
create table prunable_sessions (
  agent_id text collate "C",
  session_id text collate "C",
  keep bigint not null,
  primary key (agent_id, session_id)
)
"""


def upgrade() -> None:
    """Sessions that stand already have no points before their next turn."""
    op.execute(SESSIONS)
    op.execute("create sequence lines")
    op.execute("create unique index sessions_line on sessions (line) where line is not null")
    op.execute("create index sessions_parent on sessions (parent_line) where parent_line is not null")
    op.execute("create index sessions_stale on sessions (agent_id, id) where stale")
    op.execute("create index sessions_deleted on sessions (deleted_at) where deleted_at is not null")
    op.execute(INTERACTIONS)
    op.execute(KINDS.format(more=", 'restore'"))
    op.execute("create index interactions_points on interactions (agent_id, session_id, point) where point is not null")
    op.execute(KEYFRAMES)
    op.execute(SNAPSHOTS)
    op.execute(PRUNABLE)


def downgrade() -> None:
    """Undo all of it; a state of which only a difference was written goes back to what it was before."""
    for table in ("prunable_sessions", "snapshots", "keyframes"):
        op.execute(f"drop table {table}")
    op.execute("drop index interactions_points")
    op.execute("delete from interactions where kind = 'restore'")
    op.execute(KINDS.format(more=""))
    op.execute("""
alter table interactions drop column point, drop column keyframe, drop column delta, drop column state_version,
  drop column code_version, drop column history_start, drop column message_count, drop column transcript,
  drop column effects
""")
    for index in ("line", "parent", "stale", "deleted"):
        op.execute(f"drop index sessions_{index}")
    op.execute("""
alter table sessions alter column state type jsonb using state::jsonb, drop column state_delta, drop column stale,
  drop column base,
  drop column keyframe, drop column state_version, drop column code_version, drop column line, drop column transcript,
  drop column parent_line, drop column parent_point, drop column parent_session, drop column parent_interaction,
  drop column quiet, drop column deleted_at
""")
    op.execute("drop sequence lines")
