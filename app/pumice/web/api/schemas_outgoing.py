"""The schemas of outgoing events and their endpoints, of `/openapi.json`."""

from pumice.agents.outgoing import EVENT_TYPE, LONGEST_URL, MOST_PATTERNS, PATTERN
from pumice.web.api.schema import COUNT, TEXT, TIME, UUID, Schema, object_of, or_null, page_of

_STATUS: Schema = {"enum": ["pending", "delivered", "failed"]}
_TYPE: Schema = {"type": "string", "pattern": f"^{EVENT_TYPE.pattern}$", "examples": ["order.shipped"]}
_EVENTS: Schema = {
    "type": "array",
    "items": {"type": "string", "pattern": f"^{PATTERN.pattern}$", "examples": ["order.*"]},
    "minItems": 1,
    "maxItems": MOST_PATTERNS,
    "description": "The types of events it gets; `*` stands for anything",
}
_URL: Schema = {
    "type": "string",
    "maxLength": LONGEST_URL,
    "examples": ["https://example.com/events"],
    "description": "Public, and https, unless OUTGOING_PRIVATE allows its address",
}
_THIN: Schema = {"type": "boolean", "description": "Send ids instead of the events' data"}
_TRY = object_of(
    "An attempt", {"at": TIME, "status": or_null(COUNT), "error": or_null(TEXT), "seconds": {"type": "number"}}
)
_DELIVERY = object_of(
    "An event's way to an endpoint",
    {
        "endpointId": UUID,
        "status": _STATUS,
        "attempts": COUNT,
        "nextAt": or_null(TIME),
        "lastStatus": or_null(COUNT),
        "lastError": or_null(TEXT),
        "deliveredAt": or_null(TIME),
        "tries": {"type": "array", "items": _TRY, "description": "The newest attempts; not in lists"},
    },
    ("endpointId", "status", "attempts", "nextAt", "lastStatus", "lastError", "deliveredAt"),
)
_ENDPOINT: dict[str, Schema] = {
    "endpointId": UUID,
    "url": TEXT,
    "events": {"type": "array", "items": TEXT},
    "thin": _THIN,
    "status": {"enum": ["active", "paused"]},
    "reason": {**or_null({"enum": ["asked", "gone", "failing"]}), "description": "Why it is paused"},
    "failingSince": or_null(TIME),
    "rotatesUntil": {**or_null(TIME), "description": "Until when the secret before signs too"},
    "pending": {**COUNT, "description": "Events that wait for it, counted up to 10,000"},
    "createdAt": TIME,
}
_EVENT: dict[str, Schema] = {
    "eventId": UUID,
    "type": _TYPE,
    "sessionId": TEXT,
    "interactionId": UUID,
    "createdAt": TIME,
    "deliveries": {"type": "array", "items": _DELIVERY},
}

OUTGOING_SCHEMAS: dict[str, Schema] = {
    "NewEndpoint": object_of("An endpoint to add", {"url": _URL, "events": _EVENTS, "thin": _THIN}, ("url",)),
    "EndpointChange": object_of(
        "What is to change",
        {"url": _URL, "events": _EVENTS, "thin": _THIN, "status": {"enum": ["active", "paused"]}},
        (),
    ),
    "Endpoint": object_of(
        "Where an agent's events go",
        {**_ENDPOINT, "secret": {**TEXT, "description": "Shown when it is new only"}},
        tuple(_ENDPOINT),
    ),
    "Endpoints": object_of(
        "An agent's endpoints",
        {"endpoints": {"type": "array", "items": {"$ref": "#/components/schemas/Endpoint"}}},
    ),
    "OutgoingEvent": object_of(
        "An event that a turn emitted", {**_EVENT, "data": {"description": "Any JSON; not in lists"}}, tuple(_EVENT)
    ),
    "OutgoingEventPage": page_of("events", "OutgoingEvent"),
    "Resend": object_of("Where to", {"endpoint": or_null(UUID)}, ()),
    "Resent": object_of("To which endpoints", {"eventId": UUID, "endpoints": {"type": "array", "items": UUID}}),
}
"""By their names."""
