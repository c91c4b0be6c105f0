"""Jobs: what each remembers, due times that were not run, sessions' timezones, and schedules made at run time."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

JOBS = """
create table jobs (
  agent_id text collate "C",
  name text collate "C",
  declaration text not null,
  decided_until timestamptz not null default now(),
  first_seen_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  removed_at timestamptz,
  paused_at timestamptz,
  error text,
  primary key (agent_id, name)
)
"""
GAPS = """
create table job_gaps (
  agent_id text collate "C",
  job text collate "C",
  first_at timestamptz,
  last_at timestamptz not null,
  reason_code text not null,
  count bigint not null,
  primary key (agent_id, job, first_at)
)
"""
TICKS = """
alter table ticks
  add column kind text not null default 'due',
  add column queues boolean not null default false,
  add column missed bigint not null default 0,
  add column zones text[],
  add column zone text collate "C" not null default '',
  add column next_at timestamptz not null default now(),
  add column inserted_at timestamptz,
  add column woken text collate "C" not null default '',
  add column drained text collate "C" not null default '',
  add column waiting text[] not null default '{}',
  add column done bigint not null default 0,
  add column failed bigint not null default 0,
  add column reason_code text
"""
SCHEDULES = """
create table schedules (
  agent_id text collate "C",
  session_id text collate "C",
  key text collate "C",
  method text not null,
  payload json not null,
  cron text,
  every double precision,
  timezone text,
  next_at timestamptz,
  last_at timestamptz,
  missed bigint not null default 0,
  error text,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  primary key (agent_id, session_id, key)
)
"""


def upgrade() -> None:
    op.execute(JOBS)
    op.execute(GAPS)
    op.execute(TICKS)
    op.execute("drop index ticks_open")
    op.execute("create index ticks_next on ticks (next_at) where done_at is null")
    op.execute("update ticks set inserted_at = done_at where done_at is not null")
    op.execute(SCHEDULES)
    op.execute("create index schedules_next on schedules (agent_id, next_at)")
    op.execute('alter table sessions add column timezone text collate "C"')
    op.execute("create index sessions_timezone on sessions (agent_id, timezone, id) where timezone is not null")
    op.execute("alter table interactions add column schedule_key text")
    op.execute(
        "create unique index interactions_runs on interactions (agent_id, name, scheduled_for, session_id)"
        " where kind = 'job' and scheduled_for is not null"
    )
    op.execute(
        "insert into jobs (agent_id, name, declaration, decided_until, first_seen_at)"
        " select agent_id, job, '', max(scheduled_for), min(scheduled_for) from ticks group by 1, 2"
    )


def downgrade() -> None:
    op.execute("drop index interactions_runs")
    op.execute("alter table interactions drop column schedule_key")
    op.execute("drop index sessions_timezone")
    op.execute("alter table sessions drop column timezone")
    op.execute("drop table schedules")
    op.execute("drop index ticks_next")
    op.execute("create index ticks_open on ticks (progressed_at) where done_at is null")
    op.execute("""
alter table ticks drop column kind, drop column queues, drop column missed, drop column zones, drop column zone,
  drop column next_at,
  drop column inserted_at, drop column woken, drop column drained, drop column waiting,
  drop column done, drop column failed, drop column reason_code
""")
    op.execute("drop table job_gaps")
    op.execute("drop table jobs")
