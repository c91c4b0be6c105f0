"""The operations of `/openapi.json` on outgoing events and their endpoints."""

from pumice.web.api.operation import MANAGING, WRITING, Operation, answer, json_body

_ENDPOINT = ("agent", "endpoint")
_TAG = "outgoing"

OUTGOING: dict[str, dict[str, Operation]] = {
    "/v1/agents/{agent}/outgoing/endpoints": {
        "get": Operation(
            "listEndpoints",
            "List the endpoints of outgoing events, oldest first",
            ("agent",),
            None,
            answer("Endpoints", "The endpoints"),
            MANAGING,
            tag=_TAG,
        ),
        "post": Operation(
            "addEndpoint",
            "Add an endpoint that gets the agent's events. Its secret is shown this once",
            ("agent",),
            json_body("NewEndpoint"),
            answer("Endpoint", "The endpoint and its secret", status=201),
            (*WRITING, 409),
            tag=_TAG,
        ),
    },
    "/v1/agents/{agent}/outgoing/endpoints/{endpoint}": {
        "get": Operation(
            "readEndpoint",
            "Read an endpoint",
            _ENDPOINT,
            None,
            answer("Endpoint", "The endpoint"),
            MANAGING,
            tag=_TAG,
        ),
        "patch": Operation(
            "changeEndpoint",
            "Change an endpoint, pause it, or have what waits for it sent again",
            _ENDPOINT,
            json_body("EndpointChange"),
            answer("Endpoint", "The endpoint"),
            WRITING,
            tag=_TAG,
        ),
        "delete": Operation(
            "removeEndpoint",
            "Remove an endpoint and what waits for it",
            _ENDPOINT,
            None,
            {"204": {"description": "Removed"}},
            MANAGING,
            tag=_TAG,
        ),
    },
    "/v1/agents/{agent}/outgoing/endpoints/{endpoint}/rotate": {
        "post": Operation(
            "rotateEndpoint",
            "Give an endpoint a new secret, shown this once. The one before signs too for 24 hours",
            _ENDPOINT,
            None,
            answer("Endpoint", "The endpoint and its new secret"),
            MANAGING,
            tag=_TAG,
        )
    },
    "/v1/agents/{agent}/outgoing/events": {
        "get": Operation(
            "listOutgoingEvents",
            "List outgoing events, newest first",
            ("agent", "eventType", "toEndpoint", "deliveryStatus", "since", "limit", "cursor"),
            None,
            answer("OutgoingEventPage", "A page of events"),
            MANAGING,
            tag=_TAG,
        )
    },
    "/v1/agents/{agent}/outgoing/events/{event}": {
        "get": Operation(
            "readOutgoingEvent",
            "Read an outgoing event: its data, its deliveries and their attempts",
            ("agent", "event"),
            None,
            answer("OutgoingEvent", "The event"),
            MANAGING,
            tag=_TAG,
        )
    },
    "/v1/agents/{agent}/outgoing/events/{event}/resend": {
        "post": Operation(
            "resendOutgoingEvent",
            "Send an event again, with its id: to one endpoint, or to all that take it",
            ("agent", "event"),
            json_body("Resend", required=False),
            answer("Resent", "It will be sent", status=202),
            (*WRITING, 409),
            tag=_TAG,
        )
    },
}
"""Paths, methods, and what each does."""
