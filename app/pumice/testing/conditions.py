"""A condition on sessions, asked of one in memory, as `pumice.sessions.conditions` asks Postgres."""

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from pumice.agents.conditions import Condition, Test
from pumice.agents.json_text import loads
from pumice.testing.interactions import StoredSession

COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}
OWN: Mapping[str, Callable[[StoredSession], Any]] = {
    "id": lambda session: session.id,
    "createdAt": lambda session: session.created_at,
    "messageCount": lambda session: len(session.messages),
    "temporary": lambda session: session.temporary,
    "quiet": lambda _: False,
    "parent": lambda _: None,
}
"""What is known of a session in a test."""


def holds(condition: Condition, session: StoredSession) -> bool:
    """Whether a condition holds for a session. Raises `LookupError` for a field that no session in a test has."""
    return all(_holds(test, _found(test, session)) for test in condition.tests)


def _found(test: Test, session: StoredSession) -> Any:
    """What is at the place that a test asks of; None where nothing is."""
    if test.root == "session":
        name = test.path[0]
        if name not in OWN:
            raise LookupError(f"where: {name} of sessions is not known in tests; known are {', '.join(OWN)}")
        return OWN[name](session)
    found: Any = session.metadata if test.root == "metadata" else loads(session.state or "{}")
    for name in test.path:
        if isinstance(found, dict):
            found = found.get(name)
        elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def _holds(test: Test, found: Any) -> bool:
    if test.operator == "exists":
        return (found is not None) is test.value
    if test.operator == "ne":
        return not _is(found, "eq", test.value)
    if test.operator == "in":
        return any(_is(found, "eq", one) for one in test.value)
    return _is(found, test.operator, test.value)


def _is(found: Any, asked: str, value: Any) -> bool:
    """Whether what was found compares so to a value; what is of another type does not."""
    if value is None or found is None:
        return value is found
    if isinstance(value, datetime):
        found = _time(found)
    elif isinstance(value, Decimal):
        found = _decimal(found)
    elif isinstance(value, bool) or isinstance(found, bool):
        return found is value
    elif isinstance(value, int | float):
        found = found if isinstance(found, int | float) else None
    elif isinstance(value, str):
        found = found if isinstance(found, str) else None
    return found is not None and COMPARED[asked](found, value)


def _time(found: Any) -> datetime | None:
    try:
        time = found if isinstance(found, datetime) else datetime.fromisoformat(found)
    except (TypeError, ValueError):
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _decimal(found: Any) -> Decimal | None:
    if isinstance(found, bool) or not isinstance(found, int | float | str):
        return None
    try:
        return Decimal(str(found))
    except InvalidOperation:
        return None
