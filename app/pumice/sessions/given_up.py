"""The dead and the failed: list them, run them again, or discard them, singly or by filter; always of one agent."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, Row, func, select, update
from sqlalchemy.orm import Session, defer

from pumice.agents.states import REASONS, Reason
from pumice.sessions.models import InteractionRow

GIVEN_UP = ("dead", "failed")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which interactions: those that fit all that is given. `status` is `dead`, `failed`, or None for both."""

    status: str | None = None
    kind: str | None = None
    name: str | None = None
    session_id: str | None = None
    interaction_id: str | None = None

    def conditions(self, agent_id: str) -> list[ColumnElement[bool]]:
        """The filter as SQL conditions."""
        found: list[ColumnElement[bool]] = [InteractionRow.agent_id == agent_id]
        found.append(InteractionRow.status.in_(GIVEN_UP if self.status is None else (self.status,)))
        if self.kind is not None:
            found.append(InteractionRow.kind == self.kind)
        if self.name is not None:
            found.append(InteractionRow.name == self.name)
        if self.session_id is not None:
            found.append(InteractionRow.session_id == self.session_id)
        if self.interaction_id is not None:
            found.append(InteractionRow.id == uuid.UUID(self.interaction_id))
        return found


def list_given_up(
    engine: Engine, agent_id: str, wanted: Filter, *, after: int = 0, limit: int = 100
) -> Sequence[InteractionRow]:
    """The interactions given up, in the order of acceptance. Raises `sqlalchemy.exc.DBAPIError`."""
    query = (
        select(InteractionRow)
        .where(*wanted.conditions(agent_id), InteractionRow.seq > after)
        .options(defer(InteractionRow.body))
        .order_by(InteractionRow.seq)
        .limit(limit)
    )
    with Session(engine, expire_on_commit=False) as session:
        return session.scalars(query).all()


def count_given_up(engine: Engine, agent_id: str, wanted: Filter) -> int:
    """How many interactions a filter lets through. Raises `sqlalchemy.exc.DBAPIError`."""
    query = select(func.count()).select_from(InteractionRow).where(*wanted.conditions(agent_id))
    with engine.connect() as connection:
        return connection.execute(query).scalar_one()


def retry(engine: Engine, agent_id: str, wanted: Filter) -> Sequence[Row[uuid.UUID, str, str]]:
    """Queue interactions again, with their attempts counted anew and their errors kept.

    Returns rows of id, session_id and kind; rescue, within a second, wakes those that the caller does not.
    """
    statement = (
        update(InteractionRow)
        .where(*wanted.conditions(agent_id))
        .values(
            status="queued",
            reason=None,
            reason_code=None,
            attempts=0,
            crashes=0,
            started_at=None,
            finished_at=None,
            reply_to=None,
            lease_token=None,
            available_at=func.now(),
            wake_at=func.now(),
            errors=InteractionRow.errors.op("||")(_RETRIED),
        )
        .returning(InteractionRow.id, InteractionRow.session_id, InteractionRow.kind)
    )
    with engine.begin() as connection:
        return connection.execute(statement).all()


_RETRIED = func.jsonb_build_array(
    func.jsonb_build_object("code", "retried", "type", "Retried", "message", "queued again by an operator")
)


def discard(engine: Engine, agent_id: str, wanted: Filter) -> Sequence[Row[uuid.UUID, str, str]]:
    """Close interactions as cancelled, so that they are no longer listed. Returns rows of id, session_id and kind."""
    statement = (
        update(InteractionRow)
        .where(*wanted.conditions(agent_id))
        .values(status="cancelled", reason=REASONS[Reason.DISCARDED], reason_code=Reason.DISCARDED.value)
        .returning(InteractionRow.id, InteractionRow.session_id, InteractionRow.kind)
    )
    with engine.begin() as connection:
        return connection.execute(statement).all()
