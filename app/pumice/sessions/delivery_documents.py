"""Deliveries as clients and commands see them, and the filters by which they are picked."""

import base64
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pumice.agents.scrubbing import shown_body, shown_headers, shown_path
from pumice.agents.sources import read_rfc3339
from pumice.agents.spec import AgentSpec
from pumice.errors import InvalidField
from pumice.sessions.deliveries import STATUSES, Delivery, Wanted
from pumice.settings import secrets_of

FILTERS = ("hook", "status", "event", "since")


def wanted_of(spec: AgentSpec, given: Mapping[str, Any]) -> Wanted:
    """Which deliveries the fields ask for. Raises `InvalidField`."""
    for name in FILTERS:
        if given.get(name) is not None and not isinstance(given[name], str):
            raise InvalidField(name, "must be a string")
    hook, status, event = given.get("hook"), given.get("status"), given.get("event")
    if hook is not None and hook not in spec.addresses:
        raise InvalidField("hook", f"is no hook of the agent; they are {', '.join(spec.addresses) or 'none'}")
    if status is not None and status not in STATUSES:
        raise InvalidField("status", f"must be one of {', '.join(STATUSES)}")
    names = {
        address: [address, *(one.name for one in group if one.name != address)]
        for address, group in spec.addresses.items()
        if hook in {None, address}
    }
    return Wanted(spec.id, names, status, event, _since(given.get("since")))


def _since(text: str | None) -> datetime | None:
    if text is None:
        return None
    at = read_rfc3339(text)
    if at is None:
        raise InvalidField("since", "must be a time as 2026-01-31T09:00:00Z")
    return at


def delivery_document(one: Delivery) -> dict[str, Any]:
    """A delivery as a list shows it."""
    return {
        "id": one.id,
        "hook": one.hook,
        "source": one.source,
        "event": one.event,
        "deliveryId": one.delivery_id,
        "status": one.status,
        "reason": one.reason,
        "sessionId": one.session_id,
        "interactionId": one.interaction_id,
        "replayedFrom": one.replayed_from,
        "receivedAt": one.received_at.isoformat(),
    }


def full_document(spec: AgentSpec, one: Delivery) -> dict[str, Any]:
    """A delivery with its request, without secrets and signatures. A body that is no UTF-8 is base64."""
    group = spec.addresses.get(one.hook, ())
    secrets = [secret for hook in group if hook.source is not None for secret in hook.source.secrets_from(secrets_of)]
    body = shown_body(one.body or b"", secrets)
    return delivery_document(one) | {
        "method": one.method,
        "path": shown_path(one.path, secrets),
        "headers": shown_headers(one.headers, secrets),
        "size": one.size,
        **_encoded(body),
    }


def _encoded(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"bodyBase64": base64.b64encode(body).decode()}
