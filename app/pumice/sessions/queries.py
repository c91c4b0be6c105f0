"""Reading and managing sessions, interactions and messages: everything that is not on the hot path.

Each query is scoped by agent. Lists are pages by key: `after` is the last key of the page before.
"""

import json
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, DateTime, Engine, Row, case, cast, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, defer

from pumice.agents.conditions import Condition
from pumice.agents.states import Reason
from pumice.sessions.conditions import as_sql
from pumice.sessions.deltas import apply, unpack
from pumice.sessions.models import InteractionRow, SessionRow

_DELTA = case((SessionRow.stale, SessionRow.state_delta)).label("delta")
_BASE = case((SessionRow.stale, SessionRow.base)).label("base")
SESSION_COLUMNS = (
    SessionRow.id, case((~SessionRow.stale, SessionRow.state)).label("state"), _BASE, _DELTA, SessionRow.version,
    SessionRow.state_version, SessionRow.code_version, SessionRow.message_count, SessionRow.history_start,
    SessionRow.transcript, SessionRow.temporary, SessionRow.expires_at, SessionRow.metadata_, SessionRow.lease_until,
    SessionRow.parent_session, SessionRow.parent_interaction, SessionRow.quiet, SessionRow.timezone,
    SessionRow.created_at, SessionRow.updated_at,
)  # fmt: skip
"""A session's columns. A stale state is told by `base` and `delta`: see `current_state`."""
MESSAGES = text("""
select m.seq, m.role, m.content, m.data, m.interaction_id, m.created_at
from sessions s
cross join lateral (
  select 0::bigint as line, s.history_start as first, s.message_count as stop union all
  select (p->>0)::bigint, (p->>1)::int, (p->>2)::int from json_array_elements(s.transcript) p
) part
cross join lateral (select case when part.line = 0 then s.id else
  (select a.id from sessions a where a.line = part.line) end as id offset 0) o
cross join lateral (
  select m.seq, m.role, m.content, m.data, m.interaction_id, m.created_at from messages m
  where m.agent_id = s.agent_id and m.session_id = o.id and m.seq >= greatest(part.first, :after + 1)
    and m.seq < part.stop
  order by m.seq limit :limit
) m
where s.agent_id = :agent and s.id = :session and s.deleted_at is null order by m.seq limit :limit
""")
"""The messages of a session's conversation, those that it has of its ancestors included (see `conversation`)."""


def list_sessions(
    engine: Engine, agent_id: str, *, after: str, limit: int, where: Condition | None = None
) -> Sequence[Row[Any]]:
    """Sessions in the order of their ids, without those that Pumice made for itself.

    where: only those for which it holds. One that looks at states needs `refresh_stale` first.
    """
    query = select(*SESSION_COLUMNS).where(SessionRow.id > after, *_of_agent(agent_id, where))
    with engine.connect() as connection:
        return connection.execute(query.order_by(SessionRow.id).limit(limit)).all()


def pick_sessions(engine: Engine, agent_id: str, where: Condition, *, limit: int) -> list[str]:
    """The ids of some sessions for which a condition holds, at random, in order."""
    query = select(SessionRow.id).where(*_of_agent(agent_id, where), ~SessionRow.temporary)
    with engine.connect() as connection:
        return sorted(connection.execute(query.order_by(func.random()).limit(limit)).scalars())


def page_of_sessions(
    engine: Engine, agent_id: str, where: Condition, *, after: str, before: str, limit: int
) -> list[str]:
    """The ids of sessions for which a condition holds, in order, that were made up to the time `before`."""
    query = select(SessionRow.id).where(
        *_of_agent(agent_id, where), SessionRow.id > after, SessionRow.created_at <= cast(before, DateTime(True))
    )
    with engine.connect() as connection:
        return list(connection.execute(query.order_by(SessionRow.id).limit(limit)).scalars())


def count_sessions(engine: Engine, agent_id: str, where: Condition | None = None) -> int:
    """How many sessions there are, without those that Pumice made for itself, and for which `where` holds."""
    query = select(func.count()).select_from(SessionRow).where(*_of_agent(agent_id, where))
    with engine.connect() as connection:
        return connection.execute(query).scalar_one()


def _of_agent(agent_id: str, where: Condition | None) -> list[ColumnElement[bool]]:
    own = [SessionRow.agent_id == agent_id, SessionRow.id.not_like("$%")]
    return own if where is None else [*own, as_sql(where)]


def get_session(engine: Engine, agent_id: str, session_id: str) -> Row[Any] | None:
    """One session."""
    is_it = (SessionRow.agent_id == agent_id, SessionRow.id == session_id, SessionRow.deleted_at.is_(None))
    query = select(*SESSION_COLUMNS).where(*is_it)
    with engine.connect() as connection:
        return connection.execute(query).one_or_none()


def create_session(engine: Engine, agent_id: str, session_id: str, metadata: dict[str, Any]) -> bool:
    """Make a session. Returns false when it exists."""
    statement = (
        insert(SessionRow)
        .values(agent_id=agent_id, id=session_id, metadata_=metadata)
        .on_conflict_do_nothing()
        .returning(SessionRow.id)
    )
    with engine.begin() as connection:
        return connection.execute(statement).one_or_none() is not None


def set_metadata(engine: Engine, agent_id: str, session_id: str, metadata: dict[str, Any]) -> bool:
    """Replace a session's metadata. Returns false when there is no such session."""
    statement = (
        update(SessionRow)
        .where(SessionRow.agent_id == agent_id, SessionRow.id == session_id)
        .values(metadata_=metadata, updated_at=func.now())
    )
    with engine.begin() as connection:
        return _changed(connection.execute(statement))


def get_interaction(engine: Engine, interaction_id: str, agent_id: str | None = None) -> InteractionRow | None:
    """One interaction, of this agent."""
    query = select(InteractionRow).where(InteractionRow.id == uuid.UUID(interaction_id))
    query = query.options(defer(InteractionRow.body), defer(InteractionRow.recording))
    if agent_id is not None:
        query = query.where(InteractionRow.agent_id == agent_id)
    with Session(engine, expire_on_commit=False) as session:
        return session.scalars(query).one_or_none()


def list_interactions(
    engine: Engine, agent_id: str, session_id: str, *, after: int, limit: int
) -> Sequence[InteractionRow]:
    """A session's interactions in the order of acceptance; not those of a deleted session of the same name."""
    query = (
        select(InteractionRow)
        .where(
            InteractionRow.agent_id == agent_id,
            InteractionRow.session_id == session_id,
            InteractionRow.seq > after,
            InteractionRow.reason_code.is_distinct_from(Reason.DELETED.value),
        )
        .options(defer(InteractionRow.body), defer(InteractionRow.recording))
        .order_by(InteractionRow.seq)
        .limit(limit)
    )
    with Session(engine, expire_on_commit=False) as session:
        return session.scalars(query).all()


def list_messages(engine: Engine, agent_id: str, session_id: str, *, after: int, limit: int) -> Sequence[Row[Any]]:
    """The messages of a session's conversation, oldest first, from where its transcript now begins."""
    key = {"agent": agent_id, "session": session_id, "after": after, "limit": limit}
    with engine.connect() as connection:
        return connection.execute(MESSAGES, key).all()


def current_state(row: Row[Any]) -> Any:
    """A session's state; None before `setup`."""
    return json.loads(apply(unpack(row.base), row.delta)) if row.base is not None else row.state


def _changed(result: CursorResult[Any]) -> bool:
    return result.rowcount > 0
