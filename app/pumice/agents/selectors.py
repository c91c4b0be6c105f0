"""Selectors: from a request to a value, for a hook's session id or its delivery id."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from pumice.agents.body_fields import find_field
from pumice.agents.requests import Request
from pumice.errors import Malformed

SelectorLike: TypeAlias = str | Callable[[Request], Any] | None


NO_SELECTOR = "none"
"""The name of the selector that stands where none was given."""


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


def body(path: str, *, required: bool = False) -> Selector:
    """Select from a JSON or form body by a dotted path, such as `customer.id` or `items.0.id`.

    Looks also into JSON inside a form's field (Slack's and GitHub's `payload`), JSON that is labelled as a form, and
    fields named like `user[id]`. Gives None where the path leads nowhere; where it is required, the request is
    answered with 400. Raises `Malformed` for a body that is neither JSON nor a form.
    """
    return _required(Selector(f"body({path!r})", lambda request: find_field(request, path)), required=required)


def query(key: str, *, required: bool = False) -> Selector:
    """Select a query parameter; None when it is missing, or 400 where it is required."""
    return _required(Selector(f"query({key!r})", lambda request: request.query.get(key)), required=required)


def header(name: str, *, required: bool = False) -> Selector:
    """Select a header; None when it is missing, or 400 where it is required."""
    return _required(Selector(f"header({name!r})", lambda request: request.headers.get(name)), required=required)


def first(*selectors: Selector) -> Selector:
    """What the first of these selectors finds that finds anything."""

    def select(request: Request) -> Any:
        return next((value for one in selectors if (value := one(request)) not in (None, "")), None)

    return Selector(" or ".join(one.name for one in selectors), select)


def _required(selector: Selector, *, required: bool) -> Selector:
    if not required:
        return selector

    def select(request: Request) -> Any:
        value = selector(request)
        if value is None or value == "":
            raise Malformed(f"{selector.name} is required, and found nothing")
        return value

    return Selector(selector.name, select)


def as_selector(value: SelectorLike | Selector) -> Selector:
    """Turn what an author wrote into a selector: a callable, a fixed string, or None (selects nothing).

    Raises `TypeError` for anything else.
    """
    if isinstance(value, Selector):
        return value
    if value is None:
        return Selector(NO_SELECTOR, lambda _: None)
    if isinstance(value, str):
        return Selector(repr(value), lambda _: value)
    if callable(value):
        name = getattr(value, "__name__", type(value).__name__)
        is_async = inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(type(value).__call__)
        return Selector(name, value, is_async, is_authors=True)
    raise TypeError(f"a selector is a callable, a string, body(), query() or header(), not {value!r}")
