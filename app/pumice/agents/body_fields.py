"""Finding a field in a body, however its sender wrote it: JSON, a form, JSON inside a form's field, `user[id]=7`.

Senders label bodies as they like: what is labelled as a form may be JSON, and GitHub and Slack send forms of one field,
`payload`, that holds JSON.
"""

from collections.abc import Iterator
from typing import Any

from werkzeug.datastructures import MultiDict

from pumice.agents.body_text import parse_json
from pumice.agents.forms import URLENCODED
from pumice.agents.requests import Request
from pumice.errors import Malformed

PAYLOAD = "payload"
"""The field in which GitHub and Slack put their JSON."""
JSON_BEGINS = (b"{", b"[")
TEXT_BEGINS = ("{", "[")
NO_PLACE = object()


def find_field(request: Request, path: str) -> Any:
    """The value at a dotted path, such as `customer.id` or `items.0.id`; None where it leads nowhere.

    Raises `Malformed` for a body that is neither JSON nor a form, and `TooLarge`.
    """
    keys = path.split(".")
    for document in _documents(request):
        value = _walk(document, keys)
        if value is not None:
            return value
    return None


def _documents(request: Request) -> Iterator[Any]:
    """What the body may be read as, the likeliest first."""
    if request.content_type == URLENCODED and request.content.lstrip()[:1] in JSON_BEGINS:
        try:
            yield request.json
        except Malformed:
            pass
        else:
            return
    form = request.form
    if form:
        yield form
        inside = _json_of(form.get(PAYLOAD))
        if inside is not NO_PLACE:
            yield inside
    elif not request.is_form and request.content.strip():
        yield request.json


def _walk(value: Any, keys: list[str]) -> Any:
    for place, key in enumerate(keys):
        if isinstance(value, list):
            if not (key.isascii() and key.isdigit() and len(key) < len("1000000000") and int(key) < len(value)):
                return None
            value = value[int(key)]
        elif hasattr(value, "get"):
            found = value.get(key)
            if found is None and isinstance(value, MultiDict):
                return _bracketed(value, keys[place:])
            value = found
        elif isinstance(value, str):
            inside = _json_of(value)
            return None if inside is NO_PLACE else _walk(inside, keys[place:])
        else:
            return None
    return value


def _bracketed(form: Any, keys: list[str]) -> Any:
    """A field of a form whose name is written `user[id]`, or the JSON in one of the fields on the way there."""
    for length in range(len(keys), 1, -1):
        name = keys[0] + "".join(f"[{key}]" for key in keys[1:length])
        value = form.get(name)
        if value is not None:
            return _walk(value, keys[length:]) if length < len(keys) else value
    return None


def _json_of(text: Any) -> Any:
    """The object or list that a text holds as JSON; `NO_PLACE` where it holds none."""
    if not isinstance(text, str) or text.lstrip()[:1] not in TEXT_BEGINS:
        return NO_PLACE
    try:
        return parse_json(text.encode(errors="replace"), loose=True)
    except Malformed:
        return NO_PLACE
