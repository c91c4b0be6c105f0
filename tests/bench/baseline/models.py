"""The baseline's tables, and its connection pool."""

import os
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, ForeignKey, Identity, Index, Text, create_engine, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker


class Base(DeclarativeBase):
    """The metadata of the three tables."""

    type_annotation_map = {dict[str, Any]: JSONB, str: Text, datetime: DateTime(timezone=True)}


class Session(Base):
    """One agent session and its state."""

    __tablename__ = "sessions"
    id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[dict[str, Any]]


class Interaction(Base):
    """One webhook or chat, numbered in the order in which they were inserted."""

    __tablename__ = "interactions"
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    session_id: Mapped[str]
    kind: Mapped[str]
    payload: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(default="queued")
    result: Mapped[dict[str, Any] | None]
    accepted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    finished_at: Mapped[datetime | None]


class Message(Base):
    """One line of a session's conversation."""

    __tablename__ = "messages"
    __table_args__ = (Index("messages_of_session", "session_id", "id"),)
    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True)
    session_id: Mapped[str] = mapped_column(ForeignKey("sessions.id"))
    role: Mapped[str]
    content: Mapped[str]


engine = create_engine(os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg://"), pool_size=20)
Database = sessionmaker(engine, expire_on_commit=False)
