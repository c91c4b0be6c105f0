"""The schemas of deliveries, of `/openapi.json`."""

from pumice.sessions.deliveries import STATUSES
from pumice.web.api.schema import COUNT, TEXT, UUID, Schema, object_of, or_null, page_of

_LISTED: Schema = {
    "id": UUID,
    "hook": TEXT,
    "source": {**or_null(TEXT), "description": "The sender, if the hook names one"},
    "event": {**or_null(TEXT), "description": "The event's type, as the sender has it"},
    "deliveryId": {**or_null(TEXT), "description": "By which a repeat is recognised"},
    "status": {"enum": list(STATUSES)},
    "reason": {**or_null(TEXT), "description": "Why it was refused, or what is odd about it"},
    "sessionId": or_null(TEXT),
    "interactionId": or_null(UUID),
    "replayedFrom": {**or_null(UUID), "description": "The delivery that this one repeats on request"},
    "receivedAt": TEXT,
}
_REQUEST: Schema = {
    "method": TEXT,
    "path": TEXT,
    "headers": {"type": "array", "items": {"type": "array", "items": TEXT}},
    "size": {**COUNT, "description": "Bytes of the body; of a refused one the first 64 KiB are kept"},
    "body": TEXT,
    "bodyBase64": {"type": "string", "description": "Instead of `body`, where that is no UTF-8"},
}
_REPLAYED = {"interactionId": UUID, "sessionId": TEXT, "replayedFrom": UUID}
_PROBLEM = object_of("A delivery that can't be replayed", {"id": UUID, "detail": TEXT})

DELIVERY_SCHEMAS: dict[str, Schema] = {
    "ListedDelivery": object_of("What a hook received", _LISTED),
    "Delivery": object_of(
        "What a hook received, with its request",
        {**_LISTED, **_REQUEST},
        tuple(name for name in (*_LISTED, *_REQUEST) if name not in {"body", "bodyBase64"}),
    ),
    "DeliveryPage": page_of("deliveries", "ListedDelivery"),
    "DeliveryFilter": object_of(
        "Which deliveries; {} picks all",
        {
            "hook": or_null(TEXT),
            "status": or_null({"enum": list(STATUSES)}),
            "event": {**or_null(TEXT), "description": "An event type; `*` stands for any characters"},
            "since": {**or_null({"type": "string", "format": "date-time"}), "description": "RFC 3339"},
            "cursor": {**or_null(UUID), "description": "nextCursor of the answer before"},
        },
        (),
    ),
    "ReplayedDelivery": object_of("A delivery's new interaction", _REPLAYED),
    "ReplayedDeliveries": object_of(
        "New interactions; refused deliveries, handshakes and replays are left out",
        {
            "replayed": {"type": "array", "items": {"$ref": "#/components/schemas/ReplayedDelivery"}},
            "problems": {"type": "array", "items": _PROBLEM},
            "leftOut": COUNT,
            "nextCursor": or_null(UUID),
        },
    ),
}
"""By their names."""
