"""How much waits: for one session, for one agent; counted no further than a limit."""

from typing import NamedTuple

from pumice.sessions.statements import Statement


class QueueLength(NamedTuple):
    """How many interactions wait."""

    waiting: int


SESSION_QUEUE = Statement(
    "session_queue",
    """
select count(*) as waiting from (select from interactions where agent_id = %(agent)s and session_id = %(session)s
  and status = 'queued' and available_at <= now() limit %(limit)s) q
""",
    QueueLength,
)
"""How much waits for a session, counted up to the limit."""

AGENT_QUEUE = Statement(
    "agent_queue",
    """
select count(*) as waiting from (select from interactions where agent_id = %(agent)s and status = 'queued'
  limit %(limit)s) q
""",
    QueueLength,
)
"""How much waits for an agent, counted up to the limit."""
