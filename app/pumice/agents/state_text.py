"""A state as JSON text, and back: equal to what it was, or refused with the name of the field.

A text is read back at once when it is written. What comes back must have the same values, types and order of keys, down
to the innermost one: a `set` in an `Any` would come back as a list, a subclass in a list as its base class, an excluded
field as its default.
"""

import json
import marshal
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import UnionType
from typing import Any, Literal, Never, Union, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, ValidationError

from pumice.agents.json_text import names
from pumice.errors import SerializationError, StoredStateError

NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""An escaped NUL character in JSON text, and not an escaped backslash followed by u0000."""
SOON = 1.0
"""Seconds after which a state of a newer version is offered to workers again."""
PLAIN: frozenset[Any] = frozenset(
    {str, int, float, bool, bytes, None, type(None), Decimal, UUID, datetime, date, timedelta, ...}
)
CONTAINERS = (list, dict, tuple, set, frozenset, Union, UnionType)
MARSHAL = 2
"""marshal's newest version that writes equal values as equal bytes, wherever they come from."""


def write_state(state: Any, model: type[Any]) -> str:
    """A state as JSON text, under the names of its fields. Raises `SerializationError`, naming the field."""
    if not isinstance(state, model):
        raise SerializationError("state", f"it is {type(state).__name__}, not {model.__qualname__}")
    try:
        text: str = state.model_dump_json(warnings="error", by_alias=False, round_trip=True)
    except Exception as error:
        for name in type(state).model_fields:
            try:
                state.model_dump_json(include={name}, warnings="error", by_alias=False, round_trip=True)
            except Exception as cause:
                raise SerializationError(f"state.{name}", str(cause)) from None
        raise SerializationError("state", str(error)) from None
    if "NaN" in text or "Infin" in text:  # the whole word takes three times as long to look for
        _check_numbers(state, text)
    if "\\" in text and "\\u0000" in text and NUL.search(text):  # the search alone takes milliseconds on a large state
        raise SerializationError("state", "text in it holds a NUL character, which Postgres can't store")
    return text


def read_state(model: type[Any], text: str) -> Any:
    """The state of a JSON text. Raises `SerializationError`, naming the field, when it does not fit the model."""
    try:
        return model.model_validate_json(text, by_alias=True, by_name=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in ("state", *first["loc"]))
        raise SerializationError(where, f"its JSON does not fit the model: {first['msg']}") from None


def load_state(cls: type[Any], text: str, version: int) -> tuple[Any, str, dict[str, Any]]:
    """A stored state: as the model, as JSON text of the class's version, and the fields that the model does not know.

    Raises `StoredStateError`.
    """
    if version > cls.state_version:
        raise StoredStateError(
            "state", f"it is of version {version}, and this code knows {cls.state_version}: newer code runs it", SOON
        )
    try:
        if version < cls.state_version:
            text = migrate_text(cls, text, version)
        state = read_state(cls.State, text)
    except SerializationError as error:
        raise StoredStateError(error.field, error.why) from error
    return state, text, _unknown(cls.State, text)


def migrate_text(cls: type[Any], text: str, version: int) -> str:
    """A state of an older version as one of the class's, as JSON text. Raises `StoredStateError`."""
    try:
        return json.dumps(cls.migrate_state(json.loads(text), version), ensure_ascii=False, separators=(",", ":"))
    except Exception as error:
        what = f"migrate_state from version {version} raised {type(error).__name__}: {error}"
        raise StoredStateError("state", what) from error


def with_unknown(text: str, unknown: dict[str, Any]) -> str:
    """The text of a state with what its model does not know: older code may ask for it again."""
    if not unknown:
        return text
    more = json.dumps(unknown, ensure_ascii=False, separators=(",", ":"))
    return more if text == "{}" else f"{text[:-1]},{more[1:]}"


def _unknown(model: type[BaseModel], text: str) -> dict[str, Any]:
    """The fields of a stored state that its model does not know; none for a model that says what becomes of them."""
    if model.model_config.get("extra", "ignore") != "ignore":
        return {}
    known = {*model.model_fields, *(one.alias for one in model.model_fields.values() if one.alias)}
    unknown = names(text) - known
    return {name: value for name, value in json.loads(text).items() if name in unknown} if unknown else {}


def read_back(state: Any, text: str) -> Any:
    """The state that was just written as this text, read again.

    Raises `SerializationError` when it is not the same.
    """
    found = read_state(type(state), text)
    if not _same(state, found):
        where, why = next(_differences(state, found, "state"), ("state", "it is not equal to what it was"))
        raise SerializationError(where, f"it would not come back as it is: {why}")
    return found


def tells_all(model: type[BaseModel]) -> bool:
    """Whether a state's text tells all of it, so that a text that did not change is a state that did not.

    Not where something is left out or masked, or may be: excluded fields, private attributes, secrets, serializers of
    the author's, and values of any type.
    """
    return _tells_all(model, set())


def _tells_all(kind: Any, seen: set[Any]) -> bool:
    if kind in PLAIN or kind in seen:
        return True
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        seen.add(kind)
        own = kind.__pydantic_decorators__
        open_ones = (kind.__private_attributes__, own.field_serializers, own.model_serializers)
        given = [one for field in kind.model_fields.values() for one in (field.annotation, *field.metadata)]
        excluded = any(field.exclude for field in kind.model_fields.values())
        return not excluded and not any(open_ones) and all(_tells_all(one, seen) for one in given)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return True
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return True
    return origin in CONTAINERS and all(_tells_all(one, seen) for one in inner)


def _same(left: Any, right: Any) -> bool:
    """Whether two values are equal in values, types and order. Plain values are compared in one go."""
    if left is right:
        return True
    if type(left) is not type(right):
        return False
    if isinstance(left, BaseModel):
        mine, others = _contents(left), _contents(right)
        return list(mine) == list(others) and all(_same(one, others[name]) for name, one in mine.items())
    try:
        return marshal.dumps(left, MARSHAL) == marshal.dumps(right, MARSHAL) or _same_inside(left, right)
    except ValueError:
        return _same_inside(left, right)


def _same_inside(left: Any, right: Any) -> bool:
    if isinstance(left, dict):
        pairs = zip(left.items(), right.items(), strict=False)
        return len(left) == len(right) and all(_same(a, c) and _same(b, d) for (a, b), (c, d) in pairs)
    if isinstance(left, list | tuple):
        return len(left) == len(right) and all(map(_same, left, right))
    if is_dataclass(left):
        return all(_same(getattr(left, one.name), getattr(right, one.name)) for one in fields(left))
    if getattr(type(left), "__eq__", None) is object.__eq__ and hasattr(left, "__dict__"):
        return _same(vars(left), vars(right))
    if isinstance(left, float):
        return bool(left == right or (left != left and right != right))  # noqa: PLR0124 (not a number)
    return bool(left == right)


def _contents(model: BaseModel) -> dict[str, Any]:
    """What a model holds: its fields, what came beside them, and its private attributes."""
    inside, names = model.__dict__, type(model).model_fields
    if len(inside) != len(names):  # cached properties stand there too
        inside = {name: inside[name] for name in names if name in inside}
    if model.__pydantic_extra__ or model.__pydantic_private__:
        return {**inside, **(model.__pydantic_extra__ or {}), **(model.__pydantic_private__ or {})}
    return inside


def _differences(left: Any, right: Any, where: str) -> Iterator[tuple[str, str]]:
    """Where two values differ, and how; the innermost places."""
    if _same(left, right):
        return
    if type(left) is not type(right):
        yield where, f"{_kind(left)} comes back as {_kind(right)}"
    elif isinstance(left, BaseModel):
        mine, others = _contents(left), _contents(right)
        for name, one in mine.items():
            yield from _differences(one, others.get(name), f"{where}.{name}")
    elif isinstance(left, dict):
        for key, one in left.items():
            if key not in right:
                yield f"{where}.{key}", f"the key {key!r} does not come back as it is"
            else:
                yield from _differences(one, right[key], f"{where}.{key}")
        yield where, "its keys do not come back as they are"
    elif isinstance(left, list | tuple):
        for place, (one, other) in enumerate(zip(left, right, strict=False)):
            yield from _differences(one, other, f"{where}[{place}]")
        yield where, f"{len(left)} items come back as {len(right)}"
    else:
        yield where, f"{_kind(left)} comes back as another"


def _kind(value: Any) -> str:
    return "None" if value is None else type(value).__qualname__


def _check_numbers(state: Any, text: str) -> None:
    """Refuse NaN and Infinity, which a model may be configured to write and JSON has no word for."""
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except SerializationError as error:
        for name in type(state).model_fields:
            try:
                json.loads(state.model_dump_json(include={name}), parse_constant=_refuse_constant)
            except SerializationError:
                raise SerializationError(f"state.{name}", error.why) from None
        raise


def _refuse_constant(name: str) -> Never:
    raise SerializationError("state", f"it holds {name}, for which JSON has no word")
