"""The parameters and keys of `/openapi.json`."""

from pumice.agents.outgoing import EVENT_TYPE
from pumice.agents.scheduling import SCHEDULE_KEY_LENGTH
from pumice.agents.states import Kind
from pumice.sessions.deliveries import STATUSES
from pumice.web.api.schema import Schema, ref

KEY_SCHEMES: Schema = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "It names the agent"},
    "bearer": {"type": "http", "scheme": "bearer", "description": "The same key"},
    "queryKey": {"type": "apiKey", "in": "query", "name": "apiKey", "description": "The same key"},
    "queryKeySnake": {"type": "apiKey", "in": "query", "name": "api_key", "description": "The same key"},
}

_TEXT: Schema = {"type": "string"}


def _parameter(place: str, name: str, schema: Schema, description: str) -> Schema:
    required = {"required": True} if place == "path" else {}
    return {"in": place, "name": name, "description": description, "schema": schema, **required}


PARAMETERS: dict[str, Schema] = {
    "agent": _parameter("path", "agent", {**_TEXT, "examples": ["desk"]}, "The agent's id"),
    "session": _parameter("path", "session", ref("SessionId"), "The session's id; a slash in it is written %2F"),
    "hook": _parameter("path", "hook", {**_TEXT, "examples": ["order-update"]}, "The hook's name"),
    "interaction": _parameter("path", "interaction", {**_TEXT, "format": "uuid"}, "The interaction's id"),
    "sessionId": _parameter("query", "sessionId", ref("SessionId"), "The session, unless the body names it"),
    "session_id": _parameter("query", "session_id", ref("SessionId"), "The same as `sessionId`"),
    "x-session-id": _parameter("header", "x-session-id", ref("SessionId"), "The session, if nothing else names it"),
    "idempotency-key": _parameter(
        "header",
        "idempotency-key",
        {**_TEXT, "minLength": 1, "maxLength": 255},
        "A request with the same key gets the first one's answer and runs nothing",
    ),
    "prefer": _parameter("header", "prefer", {**_TEXT, "examples": ["respond-async"]}, "`respond-async` answers 202"),
    "last-event-id": _parameter(
        "header",
        "last-event-id",
        _TEXT,
        "For a stream: what came after this event. A chat that comes with it goes on, and runs nothing",
    ),
    "lastEventId": _parameter("query", "lastEventId", _TEXT, "The same as last-event-id, for a first connection"),
    "last_event_id": _parameter("query", "last_event_id", _TEXT, "The same as last-event-id"),
    "x-session-token": _parameter(
        "header", "x-session-token", _TEXT, "For agents that require one: a signed token (JWT)"
    ),
    "sessionToken": _parameter("query", "sessionToken", _TEXT, "The same as x-session-token"),
    "session_token": _parameter("query", "session_token", _TEXT, "The same as x-session-token"),
    "action": _parameter("path", "action", {"enum": ["retry", "discard"]}, "What to do"),
    "status": _parameter("query", "status", {"enum": ["dead", "failed"]}, "Only these"),
    "kind": _parameter("query", "kind", {"enum": list(Kind)}, "Only these"),
    "name": _parameter("query", "name", _TEXT, "Only of this hook, job or method"),
    "at": _parameter(
        "query",
        "at",
        {**_TEXT, "minLength": 1},
        "A point: an interaction's id or a snapshot's name. Needs a secret key",
    ),
    "erase": _parameter(
        "query",
        "erase",
        {"enum": ["true", "false"]},
        "Leave no trace of it; refused while it has forks",
    ),
    "forks": _parameter("query", "forks", {"enum": ["true", "false"]}, "With `erase`: erase its forks too"),
    "where": _parameter(
        "query",
        "where",
        {**_TEXT, "examples": ['{"metadata.plan": "pro"}']},
        "A condition on sessions, as JSON: fields of the state, the metadata or the session, and values or operators",
    ),
    "count": _parameter("query", "count", {"enum": ["true", "false"]}, "`true` counts the sessions too"),
    "snapshot": _parameter("path", "snapshot", {**_TEXT, "minLength": 1}, "The snapshot's name"),
    "key": _parameter(
        "path",
        "key",
        {**_TEXT, "minLength": 1, "maxLength": SCHEDULE_KEY_LENGTH},
        "The schedule's key; a slash in it is written %2F",
    ),
    "from": {**_parameter("query", "from", _TEXT, "The earlier point"), "required": True},
    "to": _parameter("query", "to", _TEXT, "The later point; now without it"),
    "endpoint": _parameter("path", "endpoint", {**_TEXT, "format": "uuid"}, "The endpoint's id"),
    "event": _parameter("path", "event", {**_TEXT, "format": "uuid"}, "The outgoing event's id"),
    "eventType": _parameter(
        "query", "type", {**_TEXT, "pattern": f"^{EVENT_TYPE.pattern}$"}, "Only events of this type"
    ),
    "toEndpoint": _parameter("query", "endpoint", {**_TEXT, "format": "uuid"}, "Only events for this endpoint"),
    "deliveryStatus": _parameter(
        "query", "status", {"enum": ["pending", "delivered", "failed"]}, "Only events with a delivery that is so"
    ),
    "since": _parameter("query", "since", {**_TEXT, "format": "date-time"}, "Only events from this time on"),
    "operation": _parameter("path", "operation", {**_TEXT, "format": "uuid"}, "The operation's id"),
    "replay": _parameter("path", "replay", {**_TEXT, "format": "uuid"}, "The replay's id"),
    "delivery": _parameter("path", "delivery", {**_TEXT, "format": "uuid"}, "The delivery's id"),
    "job": _parameter("path", "job", {**_TEXT, "examples": ["remind"]}, "The job's name"),
    "explainedSession": _parameter(
        "query", "sessionId", ref("SessionId"), "The session; none for a static job, which runs once for all"
    ),
    "explainedSessionSnake": _parameter("query", "session_id", ref("SessionId"), "The same as `sessionId`"),
    "explainedAt": {
        **_parameter(
            "query", "at", {**_TEXT, "format": "date-time"}, "The due time (RFC 3339), or of a run by hand its second"
        ),
        "required": True,
    },
    "receivedBy": _parameter("query", "hook", _TEXT, "Only of this hook"),
    "receivedAs": _parameter("query", "status", {"enum": list(STATUSES)}, "Only these"),
    "receivedEvent": _parameter("query", "event", _TEXT, "Only of this event type; `*` stands for any characters"),
    "receivedSince": _parameter(
        "query", "since", {**_TEXT, "format": "date-time"}, "Only those received since (RFC 3339)"
    ),
    "importAs": _parameter("query", "sessionId", ref("SessionId"), "The new session's id; the file's without it"),
    "importAsSnake": _parameter("query", "session_id", ref("SessionId"), "The same as `sessionId`"),
    "limit": _parameter(
        "query", "limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}, "Page size"
    ),
    "cursor": _parameter("query", "cursor", _TEXT, "`nextCursor` of the page before"),
}
