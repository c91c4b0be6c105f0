"""`/v1/agents/<agent>/outgoing`: endpoints of outgoing events, and what became of the events."""

import threading
from datetime import datetime
from typing import Any

import orjson
from flask import Blueprint, Response, request

from pumice.agents.names import UUID_FORM
from pumice.agents.outgoing import EVENT_TYPE, read_change, read_endpoint
from pumice.errors import InvalidField
from pumice.outgoing.addresses import RefusedAddressError, check_now, networks
from pumice.sessions import outgoing_endpoints as endpoints
from pumice.sessions import outgoing_events as events
from pumice.web.http.front import Front
from pumice.web.http.managing import authorised, page_limit
from pumice.web.http.request_fields import json_object
from pumice.web.http.responses import json_response

LOOK_UP = 2.0
"""Seconds that a request waits for what a new endpoint's host resolves to."""
LOOK_UPS = 4
"""Look-ups at once; beyond them a request does without: whatever is sent is checked again."""
STATUSES = ("pending", "delivered", "failed")


def outgoing_blueprint(front: Front) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("outgoing", __name__, url_prefix="/v1/agents/<agent_id>/outgoing")
    _endpoint_routes(blueprint, front)
    _event_routes(blueprint, front)
    return blueprint


def _endpoint_routes(blueprint: Blueprint, front: Front) -> None:
    places = threading.BoundedSemaphore(LOOK_UPS)

    @blueprint.get("/endpoints")
    def list_endpoints(agent_id: str) -> Response:
        spec = authorised(front, agent_id)
        with front.connections.borrow() as store:
            found = endpoints.list_(store, spec.id)
        return json_response({"endpoints": [endpoint_document(one) for one in found]})

    @blueprint.post("/endpoints")
    def add(agent_id: str) -> Response:
        spec = authorised(front, agent_id)
        new = read_endpoint(json_object(request))
        _check_address(front, new.url, places)
        with front.connections.borrow() as store:
            made, secret = endpoints.create(store, spec.id, new)
        location = f"/v1/agents/{spec.id}/outgoing/endpoints/{made.id}"
        return json_response(endpoint_document(made, secret), 201, {"Location": location})

    @blueprint.get("/endpoints/<endpoint_id>")
    def read_endpoint_(agent_id: str, endpoint_id: str) -> Response:
        spec = authorised(front, agent_id)
        with front.connections.borrow() as store:
            return json_response(endpoint_document(endpoints.read(store, spec.id, endpoint_id)))

    @blueprint.patch("/endpoints/<endpoint_id>")
    def change(agent_id: str, endpoint_id: str) -> Response:
        spec = authorised(front, agent_id)
        wanted = read_change(json_object(request))
        if wanted.url is not None:
            _check_address(front, wanted.url, places)
        with front.connections.borrow() as store:
            return json_response(endpoint_document(endpoints.change(store, spec.id, endpoint_id, wanted)))

    @blueprint.delete("/endpoints/<endpoint_id>")
    def remove(agent_id: str, endpoint_id: str) -> Response:
        spec = authorised(front, agent_id)
        with front.connections.borrow() as store:
            endpoints.delete(store, spec.id, endpoint_id)
        return Response(status=204)

    @blueprint.post("/endpoints/<endpoint_id>/rotate")
    def rotate(agent_id: str, endpoint_id: str) -> Response:
        spec = authorised(front, agent_id)
        with front.connections.borrow() as store:
            return json_response(endpoint_document(*endpoints.rotate(store, spec.id, endpoint_id)))


def _event_routes(blueprint: Blueprint, front: Front) -> None:
    @blueprint.get("/events")
    def list_events(agent_id: str) -> Response:
        spec = authorised(front, agent_id)
        limit, before = page_limit(), request.args.get("cursor")
        if before is not None and not UUID_FORM.fullmatch(before):
            raise InvalidField("cursor", "must be the nextCursor of the page before")
        found = events.list_(front.engine, spec.id, _filter(), before=before, limit=limit)
        with front.connections.borrow() as store:
            ways = events.deliveries(store, [one.id for one in found])
        shown = [event_document(one, ways[one.id]) for one in found]
        return json_response({"events": shown, "nextCursor": found[-1].id if len(found) == limit else None})

    @blueprint.get("/events/<event_id>")
    def read_event(agent_id: str, event_id: str) -> Response:
        spec = authorised(front, agent_id)
        with front.connections.borrow() as store:
            found = events.read(store, spec.id, event_id)
            ways = events.deliveries(store, [found.id])[found.id]
        return json_response(event_document(found, ways, whole=True))

    @blueprint.post("/events/<event_id>/resend")
    def resend(agent_id: str, event_id: str) -> Response:
        spec = authorised(front, agent_id)
        body = json_object(request, optional=True)
        endpoint = body.get("endpoint")
        if set(body) - {"endpoint"} or not isinstance(endpoint, str | None):
            raise InvalidField("endpoint", "must be an endpoint's id, and is all that can be named")
        with front.connections.borrow() as store:
            ids = events.resend(store, spec.id, event_id, endpoint)
        return json_response({"eventId": event_id.lower(), "endpoints": ids}, 202)


def endpoint_document(one: endpoints.Endpoint, secret: str | None = None) -> dict[str, Any]:
    """An endpoint as clients see it; its secret only when it is new."""
    document = {
        "endpointId": one.id,
        "url": one.url,
        "events": one.events,
        "thin": one.thin,
        "status": one.status,
        "reason": one.reason,
        "failingSince": _time(one.failing_since),
        "rotatesUntil": _time(one.rotates_until),
        "pending": one.pending,
        "createdAt": _time(one.created_at),
    }
    return document if secret is None else document | {"secret": secret}


def event_document(one: events.Event, ways: list[events.Delivery], *, whole: bool = False) -> dict[str, Any]:
    """An event as clients see it; `whole` with its data and each attempt."""
    document = {
        "eventId": one.id,
        "type": one.type,
        "sessionId": one.session_id,
        "interactionId": one.interaction_id,
        "createdAt": _time(one.created_at),
        "deliveries": [_delivery_document(way, whole=whole) for way in ways],
    }
    return document | {"data": orjson.Fragment(one.payload)} if whole else document


def _delivery_document(way: events.Delivery, *, whole: bool) -> dict[str, Any]:
    document = {
        "endpointId": way.endpoint_id,
        "status": way.status,
        "attempts": way.attempts,
        "nextAt": _time(way.next_at if way.status == "pending" else None),
        "lastStatus": way.last_status,
        "lastError": way.last_error,
        "deliveredAt": _time(way.delivered_at),
    }
    return document | {"tries": way.tries} if whole else document


def _check_address(front: Front, url: str, places: threading.BoundedSemaphore) -> None:
    """Refuse an address that may not be called. Raises `InvalidField`."""
    if not places.acquire(blocking=False):
        return
    try:
        check_now(url, networks(front.settings.outgoing_private), timeout=LOOK_UP)
    except RefusedAddressError as error:
        raise InvalidField("url", str(error)) from None
    finally:
        places.release()


def _filter() -> events.EventFilter:
    """What the query asks for. Raises `InvalidField`."""
    kind, endpoint, status = (request.args.get(name) for name in ("type", "endpoint", "status"))
    if kind is not None and not EVENT_TYPE.fullmatch(kind):
        raise InvalidField("type", "must be an event's type, such as order.shipped")
    if endpoint is not None and not UUID_FORM.fullmatch(endpoint):
        raise InvalidField("endpoint", "must be an endpoint's id")
    if status is not None and status not in STATUSES:
        raise InvalidField("status", f"must be one of {', '.join(STATUSES)}")
    return events.EventFilter(kind, _since(request.args.get("since")), endpoint, status)


def _since(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidField("since", "must be a time with a timezone, such as 2026-01-31T12:00:00Z")
    return at


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
