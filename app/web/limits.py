"""Backpressure: how much may wait for one session and for one agent before requests get a 429.

Each front counts what it accepted since it last looked into Postgres, and looks again when that reaches the limit. So a
front alone is exact, several together may go over by what the others accepted since; and a session far from its limit
costs no query.
"""

import threading
from typing import LiteralString

from app.errors import TooMany
from app.sessions.lanes import Lanes
from app.settings import Settings

TRACKED = 100_000
RETRY_AFTER = 1.0

SESSION_QUEUE: LiteralString = """
select count(*) as waiting from (select from interactions where agent_id = %(agent)s and session_id = %(session)s
  and status = 'queued' and available_at <= now() limit %(limit)s) q
"""
"""How much waits for a session, counted up to the limit."""

AGENT_QUEUE: LiteralString = """
select count(*) as waiting from (select from interactions where agent_id = %(agent)s and status = 'queued'
  limit %(limit)s) q
"""
"""How much waits for an agent, counted up to the limit."""


class QueueLimits:
    """The limits of one front process."""

    def __init__(self, settings: Settings, lanes: Lanes) -> None:
        self._lanes = lanes
        self._session_limit = settings.queue_limit
        self._agent_limit = settings.agent_queue_limit
        self._sessions: dict[tuple[str, str], int] = {}
        self._agents: dict[str, int] = {}
        self._lock = threading.Lock()

    def admit(self, agent_id: str, session_id: str) -> None:
        """Count one more interaction in. Raises `TooMany` when a queue is full, `StoreAwayError`."""
        session = (agent_id, session_id)
        waiting = self._sessions.get(session, 0)
        if waiting >= self._session_limit:
            waiting = self._count(SESSION_QUEUE, agent_id, session_id, self._session_limit)
            if waiting >= self._session_limit:
                raise TooMany(f"{waiting} interactions wait for this session already.", retry_after=RETRY_AFTER)
        total = self._agents.get(agent_id, 0)
        if total >= self._agent_limit:
            total = self._count(AGENT_QUEUE, agent_id, session_id, self._agent_limit)
            if total >= self._agent_limit:
                raise TooMany(f"{total} interactions wait for this agent already.", retry_after=RETRY_AFTER)
        with self._lock:
            if len(self._sessions) >= TRACKED:
                self._sessions.clear()
            self._sessions[session] = waiting + 1
            self._agents[agent_id] = total + 1

    def _count(self, query: LiteralString, agent_id: str, session_id: str, limit: int) -> int:
        with self._lanes.borrow() as lane:
            rows = lane.fetch(query, {"agent": agent_id, "session": session_id, "limit": limit})
        return int(rows[0].waiting)
