"""How much waits: for one session, for one agent; counted no further than a limit."""

from typing import NamedTuple

from pumice.sessions.statements import Statement

QUEUE_LOCKS = 7_864_226
"""The class of the advisory locks under which a queue near its limit is counted."""


class QueueLength(NamedTuple):
    """How many interactions wait."""

    waiting: int


class _Locked(NamedTuple):
    locked: str


SESSION_QUEUE = Statement(
    "session_queue",
    """
select count(*) as waiting from (select from interactions where agent_id = %(agent)s and session_id = %(session)s
  and status = 'queued' and available_at <= clock_timestamp() limit %(limit)s) q
""",
    QueueLength,
)
"""How much waits for a session and is due, counted up to the limit.

By the clock: a transaction that waited for the queue's lock began before what it has to count was accepted.
"""

AGENT_QUEUE = Statement(
    "agent_queue",
    """
select count(*) as waiting from (select from interactions where agent_id = %(agent)s and status = 'queued'
  and available_at <= clock_timestamp() limit %(limit)s) q
""",
    QueueLength,
)
"""How much waits for an agent and is due, counted up to the limit."""

LOCK_QUEUE = Statement(
    "lock_queue", "select pg_advisory_xact_lock(%(locks)s, hashtext(%(queue)s))::text as locked", _Locked
)
"""Lets one transaction at a time count a queue and add to it."""
