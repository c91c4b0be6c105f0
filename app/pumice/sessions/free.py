"""Which sessions have due work that nobody is at."""

from collections.abc import Iterable
from typing import NamedTuple

from pumice.sessions.connections import StoreConnection
from pumice.sessions.parameters import json_rows
from pumice.sessions.statements import Statement


class FreeSession(NamedTuple):
    """A session with due work that nobody is at. `young`: that work was accepted a moment ago."""

    agent_id: str
    id: str
    kind: str
    young: bool


FREE = Statement(
    "find_free_sessions",
    """
select w.agent_id, w.id, i.kind, i.accepted_at > now() - %(young)s * interval '1 second' as young
from json_to_recordset(%(keys)s::json) as w(agent_id text, id text)
cross join lateral (select s.lease_token from sessions s
  where s.agent_id = w.agent_id and s.id = w.id offset 0) s
cross join lateral (select i.kind, i.accepted_at from interactions i
  where i.agent_id = w.agent_id and i.session_id = w.id and i.status = 'queued' and i.available_at <= now()
  order by i.seq limit 1) i
where s.lease_token is null
""",
    FreeSession,
)
"""Which of these sessions have due work and no lease, the kind of the first, and whether it is as young as that."""


def find_free(store: StoreConnection, keys: Iterable[tuple[str, str]], young: float) -> list[FreeSession]:
    """Which of these sessions have due work that nobody is at.

    young: seconds since when it was accepted to count as that. Raises `StoreAwayError`.
    """
    rows = ({"agent_id": agent_id, "id": session_id} for agent_id, session_id in keys)
    return store.fetch(FREE, {"keys": json_rows(rows), "young": young}, again=True)
