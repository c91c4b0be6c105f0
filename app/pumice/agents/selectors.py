"""Selectors: from a request to a value, for a hook's session id or its delivery id."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from pumice.agents.requests import Request

SelectorLike: TypeAlias = str | Callable[[Request], Any] | None


@dataclass(frozen=True, slots=True)
class Selector:
    """A named function from a request to a value or, when `is_async`, to an awaitable of it.

    is_authors: whether an author wrote it, so that it may do anything and take any time.
    """

    name: str
    function: Callable[[Request], Any | Awaitable[Any]]
    is_async: bool = False
    is_authors: bool = False

    def __call__(self, request: Request) -> Any:
        """The value for this request."""
        return self.function(request)


def body(path: str) -> Selector:
    """Select from a JSON or form body by a dotted path, such as `customer.id` or `items.0.id`.

    Gives None where the path leads nowhere. Raises `Malformed` for a body that is neither JSON nor a form.
    """
    keys = path.split(".")

    def select(request: Request) -> Any:
        value: Any = request.form or request.json
        for key in keys:
            if isinstance(value, list) and key.isdigit() and int(key) < len(value):
                value = value[int(key)]
            elif hasattr(value, "get"):
                value = value.get(key)
            else:
                return None
        return value

    return Selector(f"body({path!r})", select)


def query(key: str) -> Selector:
    """Select a query parameter; None when it is missing."""
    return Selector(f"query({key!r})", lambda request: request.query.get(key))


def header(name: str) -> Selector:
    """Select a header; None when it is missing."""
    return Selector(f"header({name!r})", lambda request: request.headers.get(name))


def as_selector(value: SelectorLike | Selector) -> Selector:
    """Turn what an author wrote into a selector: a callable, a fixed string, or None (selects nothing).

    Raises `TypeError` for anything else.
    """
    if isinstance(value, Selector):
        return value
    if value is None:
        return Selector("none", lambda _: None)
    if isinstance(value, str):
        return Selector(repr(value), lambda _: value)
    if callable(value):
        name = getattr(value, "__name__", type(value).__name__)
        is_async = inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(type(value).__call__)
        return Selector(name, value, is_async, is_authors=True)
    raise TypeError(f"a selector is a callable, a string, body(), query() or header(), not {value!r}")
