"""Retention: interactions, ticks and beats go when they are old enough, by the time at which they were finished."""

from datetime import UTC, datetime
from typing import NamedTuple

from pumice.sessions.connections import Transaction
from pumice.sessions.statements import Statement

BATCH = 500
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
LOOK_BACK = 1_000
"""Batches after which interactions are looked for from the beginning again: some were held by others."""


class _Interactions(NamedTuple):
    seen: int
    gone: int
    last: datetime | None


class _Gone(NamedTuple):
    gone: int


INTERACTIONS = Statement(
    "sweep_interactions",
    """
with old as (
  select id, agent_id, session_id, kind, finished_at from interactions
  where finished_at >= %(since)s and finished_at < now() - %(retention)s * interval '1 second'
    and status <> 'queued' and (dedupe_key is null or accepted_at < now() - %(window)s * interval '1 second')
  order by finished_at limit %(batch)s for update skip locked
), unused as (
  select s.agent_id, s.id from (select distinct agent_id, session_id from old where kind <> 'job') o
  cross join lateral (select s.agent_id, s.id from sessions s where s.agent_id = o.agent_id and s.id = o.session_id
    and not s.used and not s.temporary offset 0) s
), used as (
  update sessions s set used = true from (
    select s.agent_id, s.id from unused u join sessions s on s.agent_id = u.agent_id and s.id = u.id
    order by s.agent_id, s.id for no key update of s skip locked) f
  where s.agent_id = f.agent_id and s.id = f.id returning s.agent_id, s.id
), held as (
  select agent_id, id from unused except select agent_id, id from used
), gone as (
  delete from interactions i using old
  where i.id = old.id and (old.kind = 'job' or (old.agent_id, old.session_id) not in (select agent_id, id from held))
  returning i.finished_at
)
select (select count(*) from old) as seen, count(*) as gone, max(finished_at) as last from gone
""",
    _Interactions,
)
"""Deletes interactions that finished longer ago than the retention, oldest first.

With the first that was no job, its session is noted as used: the trace goes, and the session is not an empty one. Where
the session is held by others, the interaction stays for another time. So does a delivery that may still be repeated.
"""

TICKS = Statement(
    "sweep_ticks",
    """
with recursive jobs as (
  (select agent_id, job from ticks order by agent_id, job limit 1)
  union all
  select n.agent_id, n.job from jobs j cross join lateral (select t.agent_id, t.job from ticks t
    where (t.agent_id, t.job) > (j.agent_id, j.job) order by t.agent_id, t.job limit 1) n
), newest as (
  select j.agent_id, j.job, (select max(t.scheduled_for) from ticks t where t.agent_id = j.agent_id and t.job = j.job)
    as scheduled_for
  from jobs j
), old as (
  select t.* from newest n cross join lateral (select t.agent_id, t.job, t.scheduled_for from ticks t
    where t.agent_id = n.agent_id and t.job = n.job and t.scheduled_for < n.scheduled_for
      and t.scheduled_for < now() - %(retention)s * interval '1 second'
      and t.done_at < now() - %(retention)s * interval '1 second'
    order by t.scheduled_for limit %(batch)s for update skip locked) t
  limit %(batch)s
), gone as (
  delete from ticks t using old o
  where t.agent_id = o.agent_id and t.job = o.job and t.scheduled_for = o.scheduled_for returning t.job
)
select count(*) as gone from gone
""",
    _Gone,
)
"""Deletes ticks that were done longer ago than the retention; never a job's newest, from which a beat knows what it
missed. Steps from job to job by the key, however many ticks each has."""

BEATS = Statement(
    "sweep_beats",
    """
with old as (
  select name from beats where seen_at < now() - interval '1 day' limit %(batch)s for update skip locked
), gone as (delete from beats b using old where b.name = old.name returning b.name)
select count(*) as gone from gone
""",
    _Gone,
)
"""Deletes beats that were not seen for a day."""


class OldInteractions:
    """Interactions past the retention. Remembers where it was: what it deleted still lies in the index for a while."""

    def __init__(self, retention: float, window: float) -> None:
        """Both in seconds: how long after its end an interaction is kept, and how long a delivery may be repeated."""
        self._limits = {"retention": retention, "window": window}
        self._since = BEGINNING
        self._batches = 0

    def sweep(self, transaction: Transaction) -> tuple[int, bool]:
        """Delete a batch. Returns how many went, and whether there may be more."""
        self._batches += 1
        if self._batches % LOOK_BACK == 0:
            self._since = BEGINNING
        row = transaction.fetch(INTERACTIONS, {**self._limits, "since": self._since, "batch": BATCH})[0]
        self._since = row.last or self._since
        return row.gone, row.seen == BATCH and row.gone > 0


def sweep_ticks(transaction: Transaction, retention: float) -> tuple[int, bool]:
    """Delete a batch of ticks. Returns how many went, and whether there may be more."""
    gone = transaction.fetch(TICKS, {"retention": retention, "batch": BATCH})[0].gone
    return gone, gone == BATCH


def sweep_beats(transaction: Transaction) -> tuple[int, bool]:
    """Delete a batch of beats. Returns how many went, and whether there may be more."""
    gone = transaction.fetch(BEATS, {"batch": BATCH})[0].gone
    return gone, gone == BATCH
