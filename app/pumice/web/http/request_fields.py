"""Reading requests: their JSON, the key they carry, the session and the point they name, their idempotency key."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from flask import Request

from pumice.agents.body_text import parse_json
from pumice.agents.names import checked_key, checked_session_id, is_temporary_id
from pumice.errors import Forbidden, InvalidField, UnsupportedMedia
from pumice.sessions.accept import temporary_session_id
from pumice.web.http.shortcuts import read_body

T = TypeVar("T")


def json_object(request: Request, *, optional: bool = False) -> dict[str, Any]:
    """The body, which must be a JSON object. Raises `Malformed`, `UnsupportedMedia`, `InvalidField`, and 413.

    optional: no body at all is an empty object.
    """
    if optional:
        body = read_body(request)
        return _object(request, body) if body else {}
    return _object(request, None)


def _object(request: Request, body: bytes | None) -> dict[str, Any]:
    if request.mimetype and request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
        message = f"The body must be application/json, not {request.mimetype}."
        raise UnsupportedMedia(message)
    value = parse_json(read_body(request) if body is None else body)
    if not isinstance(value, dict):
        raise InvalidField("body", "must be a JSON object")
    return value


def either(source: Mapping[str, Any], camel: str, snake: str) -> Any:
    """A field under its name or its snake_case name."""
    return source[camel] if camel in source else source.get(snake)


def checked(check: Callable[[Any], T], value: Any, field: str) -> T:
    """A field's value as `check` has it, which raises `ValueError` as `field: what`. Raises `InvalidField`."""
    try:
        return check(value)
    except ValueError as error:
        raise InvalidField(field, str(error).removeprefix(f"{field}: ")) from None


def given_point(request: Request, name: str) -> str | None:
    """The point that a query parameter names. Raises `InvalidField`."""
    at = request.args.get(name)
    if at is not None and (not at or "\x00" in at):
        raise InvalidField(name, "must be an interaction's id or a snapshot's name")
    return at


def given_key(request: Request, body: Mapping[str, Any] | None = None) -> str | None:
    """The API key that came: header `x-api-key`, a bearer token, the query or the body."""
    authorization = request.headers.get("authorization", "")
    if authorization[:7].lower() == "bearer ":
        return authorization[7:].strip()
    found = request.headers.get("x-api-key") or either(request.args, "apiKey", "api_key")
    if found is None and body is not None:
        found = either(body, "apiKey", "api_key")
    if found is not None and not isinstance(found, str):
        raise InvalidField("apiKey", "must be a string")
    return found


def chosen_session(request: Request, body: Mapping[str, Any], only: str | None = None) -> tuple[str, bool]:
    """The session that a chat names, in body, query or header, or a new temporary one; and whether it is one.

    only: the session that the client's token names, if it needs one. Raises `InvalidField`, `Forbidden`.
    """
    session_id = named_session(request, body)
    if session_id is None:
        if only is None:
            return temporary_session_id(), True
        session_id = checked_session_id(only)
    elif only is not None and only != session_id:
        raise Forbidden("The session token is for another session.")
    return session_id, is_temporary_id(session_id)


def named_session(request: Request, body: Mapping[str, Any]) -> str | None:
    """The session that a chat names, in body, query or header. Raises `InvalidField`."""
    found = either(body, "sessionId", "session_id")
    if found is None:
        found = either(request.args, "sessionId", "session_id")
    if found is None:
        found = request.headers.get("x-session-id")
    return None if found is None else checked_session_id(found)


def idempotency_key(request: Request) -> str | None:
    """The `Idempotency-Key` header. Raises `InvalidField`."""
    key = request.headers.get("idempotency-key")
    return None if key is None else checked_key(key, "Idempotency-Key")
