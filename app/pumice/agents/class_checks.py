"""What of an agent class can be wrong and is seen when the class is made: its State and its settings."""

import inspect
from collections.abc import Set as AbstractSet
from typing import Any

from pydantic import BaseModel

from pumice.agents.conditions import read_index
from pumice.agents.messages import ROLES
from pumice.agents.state_text import read_back, write_state
from pumice.errors import DeclarationError, InvalidField, SerializationError

ON_BUSY = ("queue", "reject", "interrupt", "latest", "merge")


def check_class(cls: type[Any]) -> None:
    """Raise `DeclarationError` for what is declared wrongly, and say where."""
    _check_state(cls)
    _check_indexes(cls)
    _check_settings(cls)


def _check_state(cls: type[Any]) -> None:
    where = f"{cls.__name__}.State"
    if not (isinstance(cls.State, type) and issubclass(cls.State, BaseModel)):
        raise DeclarationError(where, "must be a pydantic model")
    try:
        state = cls.State()
    except Exception as error:
        raise DeclarationError(where, f"every field needs a default: {error}") from None
    try:
        read_back(state, write_state(state, cls.State))
        cls.State.model_json_schema(mode="serialization")
    except SerializationError as error:
        raise DeclarationError(where, f"can't be stored as JSON: {error.field}: {error.why}") from None
    except Exception as error:
        raise DeclarationError(where, f"can't be stored as JSON: {error}") from None


def _check_indexes(cls: type[Any]) -> None:
    if isinstance(cls.indexes, str):
        raise DeclarationError(f"{cls.__name__}.indexes", "must be a list of fields")
    for name in cls.indexes:
        try:
            read_index(cls.State, name, f"{cls.__name__}.indexes")
        except InvalidField as error:
            raise DeclarationError(f"{cls.__name__}.indexes", error.members["errors"][0]["detail"]) from None


def _check_settings(cls: type[Any]) -> None:
    if not isinstance(inspect.getattr_static(cls, "redact"), classmethod | staticmethod):
        raise DeclarationError(f"{cls.__name__}.redact", "must be a @classmethod that takes (cls, document)")
    if isinstance(cls.middleware, str) or not all(callable(one) for one in cls.middleware):
        raise DeclarationError(f"{cls.__name__}.middleware", "must be a list of callables that take the turn")
    if isinstance(cls.state_version, bool) or not isinstance(cls.state_version, int) or cls.state_version < 1:
        raise DeclarationError(f"{cls.__name__}.state_version", "must be a whole number, 1 or more")
    if cls.on_busy not in ON_BUSY:
        raise DeclarationError(f"{cls.__name__}.on_busy", f"must be one of {', '.join(ON_BUSY)}, not {cls.on_busy!r}")
    if not isinstance(cls.roles, AbstractSet) or not cls.roles or not cls.roles <= set(ROLES):
        raise DeclarationError(
            f"{cls.__name__}.roles", f"must be a set of some of {', '.join(ROLES)}, not {cls.roles!r}"
        )
    if isinstance(cls.history, bool) or not isinstance(cls.history, int) or cls.history < 0:
        raise DeclarationError(f"{cls.__name__}.history", "must be a number of messages, 0 or more")
    if cls.model is not None and (not isinstance(cls.model, str) or ":" not in cls.model):
        raise DeclarationError(f"{cls.__name__}.model", f"must look like 'openai:gpt-5-mini', not {cls.model!r}")
