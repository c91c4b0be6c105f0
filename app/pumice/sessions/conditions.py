"""A condition on sessions as SQL. Fields and values are parameters; no text of a client's stands in the statement."""

import operator
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, and_, case, cast, func, literal, not_, or_, true
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.types import DateTime, Numeric, Text

from pumice.agents.conditions import Condition, Test
from pumice.agents.json_text import dumps
from pumice.sessions.models import SessionRow

OWN: dict[str, Any] = {
    "id": SessionRow.id,
    "createdAt": SessionRow.created_at,
    "updatedAt": SessionRow.updated_at,
    "messageCount": SessionRow.message_count - SessionRow.history_start,
    "version": SessionRow.version,
    "stateVersion": SessionRow.state_version,
    "codeVersion": SessionRow.code_version,
    "size": func.octet_length(cast(SessionRow.state, Text)),
    "temporary": SessionRow.temporary,
    "quiet": SessionRow.quiet,
    "parent": SessionRow.parent_session,
}
COMPARED = {"eq": operator.eq, "gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le}


def as_sql(condition: Condition) -> ColumnElement[bool]:
    """The condition, for a query of `SessionRow`."""
    return and_(true(), *(_test(test) for test in condition.tests))


def _test(test: Test) -> ColumnElement[bool]:
    if test.operator == "ne":
        return not_(func.coalesce(_holds(test, "eq", test.value), False))
    if test.operator == "in":
        return or_(*(func.coalesce(_holds(test, "eq", one), False) for one in test.value))
    return func.coalesce(_holds(test, test.operator, test.value), False)


def _holds(test: Test, asked: str, value: Any) -> ColumnElement[Any]:
    if test.root == "session":
        return _own(OWN[test.path[0]], asked, value)
    path = literal(list(test.path), ARRAY(Text))
    column: Any = SessionRow.state if test.root == "state" else SessionRow.metadata_
    names = ("json", column) if test.root == "state" else ("jsonb", column)
    kind = getattr(func, f"{names[0]}_typeof")(column.op("#>")(path))
    text = column.op("#>>")(path)
    if asked == "exists":
        is_there = func.coalesce(kind != "null", False)
        return is_there if value else not_(is_there)
    if value is None:
        return func.coalesce(kind == "null", True)
    if isinstance(value, datetime):
        return _compare(case((kind == "string", cast(text, DateTime(timezone=True)))), asked, value)
    if isinstance(value, bool):
        return and_(kind == "boolean", text == ("true" if value else "false"))
    if isinstance(value, int | float):
        return _compare(case((kind == "number", cast(text, Numeric))), asked, Decimal(str(value)))
    if isinstance(value, str):
        return _compare(case((kind == "string", text)).collate("C"), asked, value)
    whole = cast(column.op("#>")(path), JSONB)
    return whole == cast(literal(dumps(value).decode(), Text), JSONB)


def _own(column: Any, asked: str, value: Any) -> ColumnElement[Any]:
    if asked == "exists":
        found: ColumnElement[Any] = column.is_not(None) if value else column.is_(None)
        return found
    if value is None:
        missing: ColumnElement[Any] = column.is_(None)
        return missing
    return _compare(column, asked, value)


def _compare(left: Any, name: str, value: Any) -> ColumnElement[Any]:
    compared: ColumnElement[Any] = COMPARED[name](left, value)
    return compared
