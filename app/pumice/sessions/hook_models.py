"""The tables of hooks' deliveries, typed."""

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSON
from sqlalchemy.orm import Mapped, mapped_column

from pumice.sessions.model_base import NOW, Base, Key, Time


class DeliveryRow(Base):
    """A request to a hook that ran no turn. One that did is its interaction.

    body: the first bytes of it; size: how many there were. Headers and path are without secrets and signatures.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        Index("deliveries_hook", "agent_id", "hook", "id"),
        Index("deliveries_session", "agent_id", "session_id", postgresql_where=text("session_id is not null")),
    )

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    agent_id: Mapped[str] = mapped_column(Key)
    hook: Mapped[str] = mapped_column(Key)
    status: Mapped[str] = mapped_column(Text)
    reason: Mapped[str | None] = mapped_column(Text)
    source: Mapped[str | None] = mapped_column(Text)
    event: Mapped[str | None] = mapped_column(Text)
    delivery_id: Mapped[str | None] = mapped_column(Text)
    session_id: Mapped[str | None] = mapped_column(Key)
    interaction_id: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    method: Mapped[str] = mapped_column(Text)
    path: Mapped[str] = mapped_column(Text)
    headers: Mapped[list[list[str]]] = mapped_column(JSON)
    body: Mapped[bytes | None] = mapped_column(LargeBinary)
    size: Mapped[int] = mapped_column(Integer)
    received_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)


class HookCountRow(Base):
    """How many deliveries of a status and event a hook had, in all front processes."""

    __tablename__ = "hook_counts"

    agent_id: Mapped[str] = mapped_column(Key, primary_key=True)
    hook: Mapped[str] = mapped_column(Key, primary_key=True)
    event: Mapped[str] = mapped_column(Key, primary_key=True)
    status: Mapped[str] = mapped_column(Text, primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)


class HookSecretRow(Base):
    """A secret that a sender handed over. It counts once an operator has accepted it."""

    __tablename__ = "hook_secrets"
    __table_args__ = (Index("hook_secrets_hook", "agent_id", "hook", "id"),)

    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True)
    agent_id: Mapped[str] = mapped_column(Key)
    hook: Mapped[str] = mapped_column(Key)
    secret: Mapped[str] = mapped_column(Text)
    accepted_at: Mapped[datetime | None] = mapped_column(Time)
    received_at: Mapped[datetime] = mapped_column(Time, server_default=NOW)
