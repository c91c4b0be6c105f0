"""What sessions take in the store: their points, one by one, and their bytes."""

from datetime import datetime
from typing import NamedTuple

from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import Statement


class KeptPoint(NamedTuple):
    """A point that is kept, and how many bytes tell it."""

    id: str
    kind: str
    name: str | None
    status: str
    messages: int
    bytes: int
    code_version: str | None
    at: datetime


class Taken(NamedTuple):
    """Bytes that an agent's sessions, or one session, take."""

    name: str
    states: int
    keyframes: int
    points: int
    point_bytes: int
    message_bytes: int


POINTS = Statement(
    "list_points",
    """
select * from (
  select i.id::text as id, i.kind, i.name, i.status, (i.message_count - i.history_start + coalesce(
      (select sum((p->>2)::int - (p->>1)::int) from json_array_elements(i.transcript) p), 0))::int as messages,
    coalesce(octet_length(i.delta), 0) as bytes, i.code_version, i.finished_at as at
  from interactions i
  where i.agent_id = %(agent)s and i.session_id = %(session)s and i.point is not null and i.keyframe is not null
  order by i.point desc limit %(limit)s
) newest order by at
""",
    KeptPoint,
)
"""The newest points of a session that are kept, oldest first."""

OF_AGENTS = Statement(
    "storage_by_agent",
    """
select a.name, coalesce(s.states, 0)::bigint as states, coalesce(k.bytes, 0)::bigint as keyframes,
  coalesce(i.points, 0)::bigint as points, coalesce(i.bytes, 0)::bigint as point_bytes,
  coalesce(m.bytes, 0)::bigint as message_bytes
from (select distinct agent_id as name from sessions) a
left join (select agent_id, sum(pg_column_size(state) + coalesce(pg_column_size(base), 0)
  + coalesce(pg_column_size(state_delta), 0)) as states from sessions group by agent_id) s on s.agent_id = a.name
left join (select agent_id, sum(pg_column_size(data)) as bytes from keyframes group by agent_id) k
  on k.agent_id = a.name
left join (select agent_id, count(*) as points, sum(pg_column_size(delta)) as bytes from interactions
  where point is not null and keyframe is not null group by agent_id) i on i.agent_id = a.name
left join (select agent_id, sum(pg_column_size(content) + coalesce(pg_column_size(data), 0)) as bytes from messages
  group by agent_id) m on m.agent_id = a.name
order by a.name
""",
    Taken,
)
"""What each agent's sessions take. Reads all of them."""

OF_SESSIONS = Statement(
    "storage_by_session",
    """
select s.id as name, (coalesce(pg_column_size(s.state), 0) + coalesce(pg_column_size(s.base), 0)
    + coalesce(pg_column_size(s.state_delta), 0))::bigint as states, coalesce(k.bytes, 0)::bigint as keyframes,
  coalesce(i.points, 0)::bigint as points, coalesce(i.bytes, 0)::bigint as point_bytes,
  coalesce(m.bytes, 0)::bigint as message_bytes
from sessions s
left join (select session_id, sum(pg_column_size(data)) as bytes from keyframes where agent_id = %(agent)s
  group by session_id) k on k.session_id = s.id
left join (select session_id, count(*) as points, sum(pg_column_size(delta)) as bytes from interactions
  where agent_id = %(agent)s and point is not null and keyframe is not null group by session_id) i
  on i.session_id = s.id
left join (select session_id, sum(pg_column_size(content) + coalesce(pg_column_size(data), 0)) as bytes from messages
  where agent_id = %(agent)s group by session_id) m on m.session_id = s.id
where s.agent_id = %(agent)s
order by 2 + coalesce(k.bytes, 0) + coalesce(i.bytes, 0) + coalesce(m.bytes, 0) desc, s.id limit %(limit)s
""",
    Taken,
)
"""What an agent's largest sessions take. Reads all of them."""


def list_points(store: StoreConnection, agent_id: str, session_id: str, *, limit: int) -> list[KeptPoint]:
    """The newest points of a session, oldest first. Raises `StoreAwayError`."""
    return store.fetch(POINTS, {"agent": agent_id, "session": session_id, "limit": limit}, again=True)


def by_agent(store: StoreConnection) -> list[Taken]:
    """What each agent's sessions take. Raises `StoreAwayError`."""
    return store.fetch(OF_AGENTS, again=True)


def by_session(store: StoreConnection, agent_id: str, *, limit: int) -> list[Taken]:
    """What an agent's largest sessions take. Raises `StoreAwayError`."""
    return store.fetch(OF_SESSIONS, {"agent": agent_id, "limit": limit}, again=True)
