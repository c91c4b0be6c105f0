"""Reading and managing sessions, interactions and messages: everything that is not on the hot path.

Each query is scoped by agent. Lists are pages by key: `after` is the last key of the page before.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import CursorResult, Engine, Row, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session, defer

from pumice.agents.states import Reason
from pumice.sessions.models import InteractionRow, MessageRow, SessionRow

SESSION_COLUMNS = (
    SessionRow.id, SessionRow.state, SessionRow.version, SessionRow.message_count, SessionRow.history_start,
    SessionRow.temporary, SessionRow.expires_at, SessionRow.metadata_, SessionRow.lease_until,
    SessionRow.created_at, SessionRow.updated_at,
)  # fmt: skip


def list_sessions(engine: Engine, agent_id: str, *, after: str, limit: int) -> Sequence[Row[Any]]:
    """Sessions in the order of their ids, without those that Pumice made for itself."""
    query = (
        select(*SESSION_COLUMNS)
        .where(SessionRow.agent_id == agent_id, SessionRow.id > after, SessionRow.id.not_like("$%"))
        .order_by(SessionRow.id)
        .limit(limit)
    )
    with engine.connect() as connection:
        return connection.execute(query).all()


def get_session(engine: Engine, agent_id: str, session_id: str) -> Row[Any] | None:
    """One session."""
    query = select(*SESSION_COLUMNS).where(SessionRow.agent_id == agent_id, SessionRow.id == session_id)
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
    query = query.options(defer(InteractionRow.body))
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
        .options(defer(InteractionRow.body))
        .order_by(InteractionRow.seq)
        .limit(limit)
    )
    with Session(engine, expire_on_commit=False) as session:
        return session.scalars(query).all()


def list_messages(engine: Engine, agent_id: str, session_id: str, *, after: int, limit: int) -> Sequence[Row[Any]]:
    """The messages of a session's conversation, oldest first, from where its transcript now begins."""
    query = (
        select(
            MessageRow.seq,
            MessageRow.role,
            MessageRow.content,
            MessageRow.data,
            MessageRow.interaction_id,
            MessageRow.created_at,
        )
        .join(SessionRow, (SessionRow.agent_id == MessageRow.agent_id) & (SessionRow.id == MessageRow.session_id))
        .where(
            MessageRow.agent_id == agent_id,
            MessageRow.session_id == session_id,
            MessageRow.seq >= SessionRow.history_start,
            MessageRow.seq > after,
        )
        .order_by(MessageRow.seq)
        .limit(limit)
    )
    with engine.connect() as connection:
        return connection.execute(query).all()


def _changed(result: CursorResult[Any]) -> bool:
    return result.rowcount > 0
