"""Conditions on sessions: `{"state.plan": "pro", "metadata.region": {"in": ["eu", "us"]}}`, checked against the State.

A condition holds when each of its fields does what is asked of it: to be equal to a value, or what an operator says.

- `{"ne": value}` holds where the field is something else, or is not there.
- `{"in": [value, …]}` holds where it is equal to one of them.
- `gt`, `gte`, `lt`, `lte` compare numbers, texts (by code point) and times; a field that is not there, or null, is none
  of these.
- `{"exists": true}` holds where the field is there and not null.

Fields are `state.…` (as deep as the model goes; items of lists by their index), `metadata.…`, and the session's own,
such as `createdAt`; see `OWN_FIELDS`. A text is never put into SQL: see `pumice.sessions.conditions`.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Literal, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError

from pumice.agents.json_text import dumps
from pumice.agents.releases import Share
from pumice.errors import InvalidField

OPERATORS = ("eq", "ne", "in", "gt", "gte", "lt", "lte", "exists")
OWN_FIELDS: Mapping[str, Any] = {
    "id": str,
    "createdAt": datetime,
    "updatedAt": datetime,
    "messageCount": int,
    "version": int,
    "stateVersion": int,
    "codeVersion": str,
    "size": int,
    "temporary": bool,
    "quiet": bool,
    "parent": str,
}
"""The session's own fields and their types. `size`: the bytes of its state; `parent`: the session it is a fork of."""
LARGEST: Mapping[str, int] = {
    "messageCount": 2**31 - 1,
    "version": 2**63 - 1,
    "stateVersion": 2**31 - 1,
    "size": 2**31 - 1,
}
"""The largest number that each of the session's own can be."""
SURROGATE = re.compile("[\ud800-\udfff]")
"""A half of a surrogate pair, which no text in UTF-8 holds."""
MOST_FIELDS = 20
MOST_VALUES = 1_000
DEEPEST = 20
ANY = object()
"""The type of what may be anything."""


@dataclass(frozen=True, slots=True)
class Test:
    """One test of one field. root: `state`, `metadata` or `session`; path: the names below it.

    value: as JSON has it; a `datetime` where the field is a time, a `Decimal` where it is one.
    """

    root: str
    path: tuple[str, ...]
    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was checked: all of its tests must hold. share: only those of a canary's share."""

    tests: tuple[Test, ...]
    share: Share | None = None

    @property
    def looks_at_state(self) -> bool:
        """Whether it asks for anything of the state."""
        return any(test.root == "state" or test.path == ("size",) for test in self.tests)


def read_condition(state: type[BaseModel], given: Any, name: str = "where") -> Condition:
    """Check a condition. `name`: what its place in the request is called.

    Raises `InvalidField`, naming the field of the condition.
    """
    if not isinstance(given, Mapping):
        raise InvalidField(name, "must be an object of fields and values")
    if len(given) > MOST_FIELDS:
        raise InvalidField(name, f"must not have more than {MOST_FIELDS} fields")
    tests = [test for field, wanted in given.items() for test in _tests(state, str(field), wanted, name)]
    return Condition(tuple(tests))


@dataclass(frozen=True, slots=True)
class IndexedField:
    """A field that an agent has indexed: in what, under which names, and as what it is compared."""

    name: str
    root: str
    path: tuple[str, ...]
    compared: Literal["text", "number", "decimal"]


def read_index(state: type[BaseModel], field: str, where: str) -> IndexedField:
    """Check a field of `indexes`. Raises `InvalidField`, at the place `where`."""
    root, path, kind = _resolve(state, field, where)
    if root == "session":
        raise InvalidField(where, f"{field} is indexed or small already; name fields of the state or the metadata")
    if isinstance(kind, type) and issubclass(kind, date):
        raise InvalidField(where, f"{field} is a time, which can't be indexed; store it as a number of seconds")
    if kind in {int, float}:
        return IndexedField(field, root, path, "number")
    if isinstance(kind, type) and issubclass(kind, Decimal):
        return IndexedField(field, root, path, "decimal")
    if kind is not ANY and not _is_text(kind):
        raise InvalidField(where, f"{field} must be a text, a number or a bool")
    return IndexedField(field, root, path, "text")


def _is_text(kind: Any) -> bool:
    """Whether values of the type are told as a JSON text, or as true or false."""
    if get_origin(kind) is Literal:
        return all(isinstance(one, str | bool) for one in get_args(kind))
    return isinstance(kind, type) and issubclass(kind, str | bool | UUID)


def _tests(state: type[BaseModel], field: str, wanted: Any, name: str) -> Iterable[Test]:
    where = f"{name}.{field}"
    root, path, kind = _resolve(state, field, where)
    operators = wanted if isinstance(wanted, Mapping) and wanted and set(wanted) <= set(OPERATORS) else {"eq": wanted}
    if isinstance(wanted, Mapping) and operators == {"eq": wanted} and kind is not ANY and not _takes_objects(kind):
        unknown = next(iter(set(wanted) - set(OPERATORS)), "")
        raise InvalidField(where, f"has no operator {unknown!r}; they are {', '.join(OPERATORS)}")
    _check_texts(wanted, where)
    for operator, value in operators.items():
        found = _value(kind, operator, value, where)
        if root == "session":
            _check_size(field, found, where)
        yield Test(root, path, operator, found)


def _check_texts(value: Any, where: str) -> None:
    """Refuse texts that Postgres can't hold, however deep they stand. Raises `InvalidField`."""
    if isinstance(value, str):
        if "\x00" in value:
            raise InvalidField(where, "must not hold NUL characters")
        if SURROGATE.search(value):
            raise InvalidField(where, "must not hold halves of a surrogate pair")
    elif isinstance(value, Mapping):
        for name, one in value.items():
            _check_texts(name, where)
            _check_texts(one, where)
    elif isinstance(value, list):
        for one in value:
            _check_texts(one, where)


def _check_size(field: str, value: Any, where: str) -> None:
    """Refuse numbers that the session's own field can't be. Raises `InvalidField`."""
    most = LARGEST.get(field)
    for one in value if isinstance(value, list) else [value]:
        if most is not None and isinstance(one, int) and not -most <= one <= most:
            raise InvalidField(where, f"must be a whole number from {-most} to {most}")


def _resolve(state: type[BaseModel], field: str, where: str) -> tuple[str, tuple[str, ...], Any]:
    root, _, rest = field.partition(".")
    if "\x00" in field or len(parts := tuple(rest.split("."))) > DEEPEST:
        raise InvalidField(where, "is no field")
    if root == "metadata" and all(parts):
        return root, parts, ANY
    if root == "state" and all(parts):
        return root, *_in_state(state, parts, where)
    if field in OWN_FIELDS:
        return "session", (field,), OWN_FIELDS[field]
    raise InvalidField(where, _unknown(field, ("state.…", "metadata.…", *OWN_FIELDS)))


def _in_state(kind: Any, path: tuple[str, ...], where: str) -> tuple[tuple[str, ...], Any]:
    """The names under which a field of the state is stored, and its type."""
    names: list[str] = []
    for name in path:
        kind = _without_none(kind)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            fields = {one.alias: key for key, one in kind.model_fields.items() if one.alias}
            key = name if name in kind.model_fields else fields.get(name)
            if key is None and kind.model_config.get("extra") == "allow":
                names.append(name)
                kind = ANY
                continue
            if key is None:
                raise InvalidField(where, _unknown(name, kind.model_fields))
            names.append(key)
            kind = kind.model_fields[key].annotation
            continue
        names.append(name)
        kind = _inside(kind, name, where)
    return tuple(names), _without_none(kind)


def _inside(kind: Any, name: str, where: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is ANY or kind in {Any, dict, list, object} or origin is Union or (isinstance(kind, type) and not origin):
        if kind is ANY or kind in {Any, dict, list, object} or origin is Union:
            return ANY
        raise InvalidField(where, f"{name!r} is asked of {kind.__name__}, which holds nothing")
    if origin is dict:
        return inner[1]
    if origin in {list, tuple, set, frozenset}:
        if not name.isdecimal():
            raise InvalidField(where, f"{name!r} is no index of a list")
        return inner[0]
    return ANY


def _without_none(kind: Any) -> Any:
    """The type, without None if it may be None and one other."""
    if kind is Any:
        return ANY
    inner = [one for one in get_args(kind) if one is not type(None)]
    has_none = type(None) in get_args(kind)
    return _without_none(inner[0]) if has_none and len(inner) == 1 else kind


def _takes_objects(kind: Any) -> bool:
    return get_origin(kind) in {dict, Union} or (isinstance(kind, type) and issubclass(kind, dict | BaseModel))


def _value(kind: Any, operator: str, value: Any, where: str) -> Any:
    if operator == "exists":
        if not isinstance(value, bool):
            raise InvalidField(where, "exists: must be true or false")
        return value
    if operator == "in":
        if not isinstance(value, list) or not 0 < len(value) <= MOST_VALUES:
            raise InvalidField(where, f"in: must be a list of 1 to {MOST_VALUES} values")
        return [_checked(kind, one, where) for one in value]
    if operator not in {"eq", "ne"} and (isinstance(value, bool) or not isinstance(value, int | float | str)):
        raise InvalidField(where, f"{operator}: must be a number, a text or a time")
    return _checked(kind, value, where)


def _checked(kind: Any, value: Any, where: str) -> Any:
    """The value as the field's type has it in JSON. A time stays a time."""
    if value is None or kind is ANY:
        return value
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        found = adapter.validate_json(dumps(value), strict=True)
    except ValidationError as error:
        raise InvalidField(where, error.errors()[0]["msg"]) from None
    except Exception as error:
        raise InvalidField(where, f"can't be compared: {error}") from None
    if isinstance(found, datetime):
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    if isinstance(found, date):
        return found.isoformat()
    if isinstance(found, Decimal):
        return found
    return adapter.dump_python(found, mode="json")


def _unknown(name: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(name, names, 1)
    return f"is unknown: did you mean {close[0]}?" if close else f"is unknown; known are {', '.join(names)}"
