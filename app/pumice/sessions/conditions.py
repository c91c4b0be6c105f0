"""A condition on sessions as SQL. Fields and values are parameters; no text of a client's stands in the statement."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, and_, case, cast, func, literal, not_, or_, true
from sqlalchemy.dialects.postgresql import ARRAY, BIT, JSONB
from sqlalchemy.types import BigInteger, DateTime, Numeric, Text

from pumice.agents.conditions import Condition, Test
from pumice.agents.json_text import dumps
from pumice.agents.releases import PARTS, Share
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
    share = () if condition.share is None else (_is_of(condition.share),)
    return and_(true(), *share, *(_test(test) for test in condition.tests))


def _is_of(share: Share) -> ColumnElement[bool]:
    """Whether a session is of a canary's share; see `part_of`."""
    digest = func.substr(func.md5(literal(f"{share.release}:").concat(SessionRow.id)), 1, 8)
    first = cast(cast(literal("x").concat(digest), BIT(32)), BigInteger)
    return func.mod(first, PARTS) < share.parts


def _test(test: Test) -> ColumnElement[bool]:
    """One test. Where nothing is there it may be null, which is not true either."""
    if test.operator == "ne":
        return not_(func.coalesce(_holds(test, "eq", test.value), False))
    if test.operator == "in":
        return _is_one_of(test)
    return _holds(test, test.operator, test.value)


def _is_one_of(test: Test) -> ColumnElement[bool]:
    if test.root != "session" and all(isinstance(one, str) for one in test.value):
        where = Place.of(test.root, test.path)
        return and_(where.kind == "string", where.text.in_(test.value))
    return or_(*(_holds(test, "eq", one) for one in test.value))


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a state or in metadata, as SQL: its JSON, of which kind that is, its text, and its number."""

    json: Any
    kind: Any
    text: Any
    number: Any

    @classmethod
    def of(cls, root: str, path: Sequence[str]) -> "Place":
        """The place `path` in the `state` or the `metadata`."""
        column: Any = SessionRow.state if root == "state" else SessionRow.metadata_
        names = literal(list(path), ARRAY(Text))
        found, text = column.op("#>")(names), column.op("#>>", return_type=Text())(names)
        kind = getattr(func, "json_typeof" if root == "state" else "jsonb_typeof")(found)
        return cls(found, kind, text.collate("C"), case((kind == "number", cast(text, Numeric))))


def _holds(test: Test, asked: str, value: Any) -> ColumnElement[Any]:
    if test.root == "session":
        return _own(OWN[test.path[0]], asked, value)
    where = Place.of(test.root, test.path)
    if asked == "exists":
        is_there = func.coalesce(where.kind != "null", False)
        return is_there if value else not_(is_there)
    if value is None:
        return func.coalesce(where.kind == "null", True)
    if isinstance(value, datetime):
        return _compare(case((where.kind == "string", cast(where.text, DateTime(timezone=True)))), asked, value)
    if isinstance(value, bool):
        return and_(where.kind == "boolean", where.text == ("true" if value else "false"))
    if isinstance(value, int | float):
        return _compare(where.number, asked, Decimal(str(value)))
    if isinstance(value, str):
        return and_(where.kind == "string", _compare(where.text, asked, value))
    return cast(where.json, JSONB) == cast(literal(dumps(value).decode(), Text), JSONB)


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
