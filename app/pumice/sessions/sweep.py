"""Sweep: delete expired temporary sessions and old history, in small batches."""

from typing import NamedTuple

from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import NoRow, Statement

BATCH = 500


class _Swept(NamedTuple):
    gone: int


EXPIRED_SESSIONS = Statement(
    "sweep_sessions",
    """
with gone as (
  delete from sessions s using (
    select agent_id, id from sessions
    where temporary and expires_at < now() and lease_token is null
    order by expires_at limit %(batch)s for update skip locked
  ) e
  where s.agent_id = e.agent_id and s.id = e.id and not exists (select from interactions i
    where i.agent_id = e.agent_id and i.session_id = e.id and i.status = 'queued')
  returning s.agent_id, s.id
), said as (
  delete from messages m using gone g where m.agent_id = g.agent_id and m.session_id = g.id
), done as (
  delete from interactions i using gone g
  where i.agent_id = g.agent_id and i.session_id = g.id and i.status <> 'queued'
    and (i.dedupe_key is null or i.accepted_at < now() - %(window)s * interval '1 second')
)
select count(*) as gone from gone
""",
    _Swept,
)
"""Deletes temporary sessions past their time that have nothing left to do, with all that belongs to them but for the
interactions by which a repeat is recognised: those stay for the window, at least."""

OLD_INTERACTIONS = Statement(
    "sweep_interactions",
    """
with old as (
  select id from interactions
  where id < overlay('00000000-0000-7000-8000-000000000000' placing
      regexp_replace(lpad(to_hex((greatest(extract(epoch from now() - %(days)s * interval '1 day'), 0) * 1000)::bigint),
        12, '0'),
        '(.{8})(.{4})', '\\1-\\2') from 1 for 13)::uuid
    and status <> 'queued'
  order by id limit %(batch)s
), gone as (
  delete from interactions i using old where i.id = old.id returning i.id
)
select count(*) as gone from gone
""",
    _Swept,
)
"""Deletes finished interactions older than the retention; ids are ordered by time (UUID version 7)."""

OLD_TICKS = Statement(
    "sweep_ticks",
    """
delete from ticks where done_at is not null and scheduled_for < now() - %(days)s * interval '1 day'
""",
    NoRow,
)
"""Deletes ticks older than the retention."""


def sweep(store: StoreConnection, *, retention_days: float, window: float = 86_400.0) -> int:
    """Delete one batch of each kind. Returns how many sessions and interactions went. Raises `StoreAwayError`.

    window: for how many seconds a repeat is recognised.
    """
    sessions = store.fetch(EXPIRED_SESSIONS, {"batch": BATCH, "window": window})[0].gone
    interactions = store.fetch(OLD_INTERACTIONS, {"days": retention_days, "batch": BATCH})[0].gone
    store.fetch(OLD_TICKS, {"days": retention_days})
    return sessions + interactions
