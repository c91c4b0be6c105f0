"""Outgoing events: what agents emit to other systems, and how the endpoints that get them are described."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pumice.errors import InvalidField

EVENT_TYPE = re.compile(r"[A-Za-z0-9_.-]{1,127}")
PATTERN = re.compile(r"[A-Za-z0-9_.*-]{1,127}")
LARGEST_OUTGOING = 262_144
"""Bytes of one outgoing event's data at the most."""
MOST_PATTERNS = 100
LONGEST_URL = 2_048
URL_CHARACTERS = re.compile(r"[!-~]+")
HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
ALL = ("*",)


@dataclass(frozen=True, slots=True)
class OutgoingEvent:
    """An event as a turn emits it. `payload` is its data as JSON text."""

    id: str
    type: str
    payload: str


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """Where events go, which of them, and whether they go without their data."""

    url: str
    events: tuple[str, ...] = ALL
    thin: bool = False


@dataclass(frozen=True, slots=True)
class EndpointChange:
    """What is to change of an endpoint; None leaves it as it is."""

    url: str | None = None
    events: tuple[str, ...] | None = None
    thin: bool | None = None
    status: str | None = None


def checked_event_type(value: object) -> str:
    """The value as an event's type, such as `order.shipped`. Raises `ValueError`."""
    if not isinstance(value, str) or not EVENT_TYPE.fullmatch(value):
        raise ValueError(
            f"emit: {value!r} is no type: it must have 1 to 127 letters, digits, dots, dashes, underscores"
        )
    return value


def read_endpoint(body: Mapping[str, Any]) -> NewEndpoint:
    """Check `{"url", "events"?, "thin"?}`. Raises `InvalidField`."""
    _check_known(body, ("url", "events", "thin"))
    events, thin = body.get("events"), body.get("thin")
    return NewEndpoint(
        checked_url(body.get("url")),
        ALL if events is None else _checked_patterns(events),
        False if thin is None else _checked_flag(thin, "thin"),
    )


def read_change(body: Mapping[str, Any]) -> EndpointChange:
    """Check `{"url"?, "events"?, "thin"?, "status"?}`. Raises `InvalidField`."""
    _check_known(body, ("url", "events", "thin", "status"))
    if "status" in body and body["status"] not in {"active", "paused"}:
        raise InvalidField("status", 'must be "active" or "paused"')
    return EndpointChange(
        checked_url(body["url"]) if "url" in body else None,
        _checked_patterns(body["events"]) if "events" in body else None,
        _checked_flag(body["thin"], "thin") if "thin" in body else None,
        body.get("status"),
    )


def checked_url(value: object) -> str:
    """The value as an endpoint's address. What its host resolves to is checked elsewhere. Raises `InvalidField`."""
    if not isinstance(value, str) or not value:
        raise InvalidField("url", "is required: an address such as https://example.com/events")
    if len(value) > LONGEST_URL or not URL_CHARACTERS.fullmatch(value) or "\\" in value or "#" in value:
        raise InvalidField("url", f"must have at most {LONGEST_URL} printable ASCII characters, and no fragment")
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidField("url", f"is no address: {error}") from None
    if parts.scheme not in {"http", "https"}:
        raise InvalidField("url", "must begin with https://")
    if "@" in parts.netloc:
        raise InvalidField("url", "must not hold a user or password")
    if not host or not HOST.fullmatch(host) or port == 0:
        raise InvalidField("url", "must name a host, and a port from 1 to 65535 if it names one")
    return value


def _check_known(body: Mapping[str, Any], known: tuple[str, ...]) -> None:
    for name in body:
        if name not in known:
            raise InvalidField(name, f"is not known; known are {', '.join(known)}")


def _checked_patterns(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_PATTERNS:
        raise InvalidField("events", f"must be a list of 1 to {MOST_PATTERNS} types, in which * stands for anything")
    for one in value:
        if not isinstance(one, str) or not PATTERN.fullmatch(one):
            raise InvalidField("events", "must hold types such as order.shipped or order.*")
    return tuple(dict.fromkeys(value))


def _checked_flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise InvalidField(name, "must be true or false")
    return value
