"""What all tables share. Text keys use the collation "C": byte order, the same here, in Postgres and everywhere."""

from sqlalchemy import DateTime, Text, text
from sqlalchemy.orm import DeclarativeBase

Key = Text(collation="C")
Time = DateTime(timezone=True)
NOW = text("now()")


class Base(DeclarativeBase):
    """Declarative base of every table."""
