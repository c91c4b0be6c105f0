"""The operations of `/openapi.json` on what hooks received."""

from pumice.web.api.operation import MANAGING, MANY, WRITING, Operation, answer, json_body

DELIVERIES: dict[str, dict[str, Operation]] = {
    "/v1/agents/{agent}/deliveries": {
        "get": Operation(
            "listDeliveries",
            "List what hooks received, newest first, with what was refused, filtered, repeated or only a handshake",
            (*MANY, "receivedBy", "receivedAs", "receivedEvent", "receivedSince"),
            None,
            answer("DeliveryPage", "A page of deliveries"),
            MANAGING,
            tag="hooks",
        ),
    },
    "/v1/agents/{agent}/deliveries/{delivery}": {
        "get": Operation(
            "readDelivery",
            "Read a delivery with its request, without secrets and signatures",
            ("agent", "delivery"),
            None,
            answer("Delivery", "The delivery"),
            MANAGING,
            tag="hooks",
        ),
    },
    "/v1/agents/{agent}/deliveries/{delivery}/replay": {
        "post": Operation(
            "replayDelivery",
            "Run a delivery again, as a new interaction that says `replayedFrom`",
            ("agent", "delivery"),
            None,
            answer("ReplayedDelivery", "The new interaction", status=202),
            (*WRITING, 409),
            tag="hooks",
        ),
    },
    "/v1/agents/{agent}/deliveries/replay": {
        "post": Operation(
            "replayDeliveries",
            "Run deliveries again that a filter picks, newest first, a few hundred at a time",
            ("agent",),
            json_body("DeliveryFilter"),
            answer("ReplayedDeliveries", "The new interactions", status=202),
            WRITING,
            tag="hooks",
        ),
    },
}
"""Paths, methods, and what each does."""
