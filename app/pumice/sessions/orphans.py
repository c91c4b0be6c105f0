"""Interactions without a session: it was deleted while they were being accepted.

What somebody sent is not lost: its session is made again. What a job's page made just vanishes: a deleted session does
not come back by itself.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from pumice.agents.names import RESERVED_PREFIX, is_temporary_id
from pumice.agents.states import Kind
from pumice.sessions.connections import Transaction
from pumice.sessions.statements import NoRow, Statement

RECREATE = Statement(
    "recreate_sessions",
    """
insert into sessions (agent_id, id, temporary, expires_at)
select m.agent_id, m.id, m.temporary, case when m.temporary then now() + interval '1 hour' end
from unnest(%(agents)s::text[], %(sessions)s::text[], %(temporary)s::boolean[]) as m(agent_id, id, temporary)
on conflict do nothing
""",
    NoRow,
)
"""Makes sessions that were deleted while work for them was being accepted; a temporary one is temporary again."""

VANISH = Statement(
    "delete_orphaned_jobs",
    """
delete from interactions i where i.id = any(%(ids)s) and i.status = 'queued'
  and not exists (select from sessions s where s.agent_id = i.agent_id and s.id = i.session_id)
""",
    NoRow,
)
"""Deletes runs of jobs whose session is gone."""


class Orphan(NamedTuple):
    """An interaction without a session."""

    id: Any
    agent_id: str
    session_id: str
    kind: str

    @property
    def vanishes(self) -> bool:
        """Whether it goes with its session: a run of a job that is not static."""
        return self.kind == Kind.JOB and not self.session_id.startswith(RESERVED_PREFIX)


def settle_orphans(transaction: Transaction, orphans: Iterable[Orphan]) -> set[Any]:
    """Make the sessions of these again, or let them vanish. Returns the ids of those that vanished."""
    found = list(orphans)
    gone = {one.id for one in found if one.vanishes}
    if gone:
        transaction.fetch(VANISH, {"ids": list(gone)})
    keys = sorted({(one.agent_id, one.session_id) for one in found if not one.vanishes})
    if keys:
        agents, sessions = [agent_id for agent_id, _ in keys], [session_id for _, session_id in keys]
        temporary = [is_temporary_id(session_id) for session_id in sessions]
        transaction.fetch(RECREATE, {"agents": agents, "sessions": sessions, "temporary": temporary})
    return gone
