"""A condition on sessions as SQL. Fields and values are parameters; no text of a client's stands in the statement."""

import operator
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, and_, cast, func, literal, not_, or_, true
from sqlalchemy.dialects.postgresql import BIT, JSONB
from sqlalchemy.types import BigInteger, Text

from pumice.agents.conditions import Condition, Test
from pumice.agents.json_text import dumps
from pumice.agents.releases import PARTS, Share
from pumice.sessions.models import SessionRow
from pumice.sessions.places import INDEXED_CHARACTERS, Place

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
    part = func.mod(first, PARTS)
    return and_(part >= share.above, part < share.parts)


def _test(test: Test) -> ColumnElement[bool]:
    """One test. Where nothing is there it may be null, which is not true either."""
    if test.operator == "ne":
        return not_(func.coalesce(_holds(test, "eq", test.value), False))
    if test.operator == "in":
        return _is_one_of(test)
    return _holds(test, test.operator, test.value)


def _is_one_of(test: Test) -> ColumnElement[bool]:
    if test.root != "session" and all(isinstance(one, str) for one in test.value):
        where = Place(test.root, test.path)
        begins = where.indexed_text.in_({one[:INDEXED_CHARACTERS] for one in test.value})
        return and_(where.kind == "string", begins, where.text.in_(test.value))
    return or_(*(_holds(test, "eq", one) for one in test.value))


def _holds(test: Test, asked: str, value: Any) -> ColumnElement[Any]:
    if test.root == "session":
        return _own(OWN[test.path[0]], asked, value)
    where = Place(test.root, test.path)
    if asked == "exists":
        is_there = func.coalesce(where.kind != "null", False)
        return is_there if value else not_(is_there)
    if value is None:
        return func.coalesce(where.kind == "null", True)
    return _of_type(where, asked, value)


def _of_type(where: Place, asked: str, value: Any) -> ColumnElement[Any]:
    """Whether what is there compares so to a value; what is of another type does not."""
    if isinstance(value, datetime):
        return _compare(where.time, asked, value)
    if isinstance(value, Decimal):
        return _compare(where.decimal, asked, value)
    if isinstance(value, bool):
        return and_(where.kind == "boolean", where.text == ("true" if value else "false"))
    if isinstance(value, int | float):
        return _compare(where.number, asked, Decimal(str(value)))
    if isinstance(value, str):
        return and_(where.kind == "string", _compare_text(where, asked, value))
    return cast(where.json, JSONB) == cast(literal(dumps(value).decode(), Text), JSONB)


def _compare_text(where: Place, asked: str, value: str) -> ColumnElement[Any]:
    """Compare whole texts, and their beginnings, which an index may hold: they are in the same order, or equal."""
    loose = {"gt": "gte", "lt": "lte"}.get(asked, asked)
    begins = _compare(where.indexed_text, loose, value[:INDEXED_CHARACTERS])
    return and_(begins, _compare(where.text, asked, value))


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
