"""The schemas of `/openapi.json`: what requests and answers hold (JSON Schema 2020-12)."""

from typing import Any

from pumice.agents.messages import ROLES
from pumice.agents.names import SESSION_ID_LENGTH
from pumice.agents.states import FailureCode, Kind, Reason, Status

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_UUID: Schema = {"type": "string", "format": "uuid"}
_TIME: Schema = {"type": "string", "format": "date-time"}


def ref(name: str) -> Schema:
    """A reference to one of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(description: str, properties: dict[str, Schema], required: tuple[str, ...] | None = None) -> Schema:
    """An object that may hold more; all its properties are required unless `required` names some."""
    names = list(properties) if required is None else list(required)
    return {"type": "object", "description": description, "properties": properties, "required": names}


def _page(of: str, schema: str) -> Schema:
    following = {**_or_null(_TEXT), "description": "`cursor` of the next page; null on the last"}
    return _object("A page", {of: {"type": "array", "items": ref(schema)}, "nextCursor": following})


_CONTENT: Schema = {
    "description": "Text, or parts such as `{type: text, text: …}` and `{type: image_url, image_url: …}`",
    "anyOf": [_TEXT, {"type": "array", "items": {"type": "object"}}],
}
_TOOLS: dict[str, Schema] = {
    "name": {**_or_null(_TEXT), "description": "Who said it, or which tool"},
    "tool_calls": {
        **_or_null({"type": "array", "items": {"type": "object", "required": ["id"]}}),
        "description": "The tools that the assistant called; its content may be null then",
    },
    "tool_call_id": {**_or_null(_TEXT), "description": "Which call a tool's message answers"},
}
_SESSION_ID: Schema = {
    "description": "1 to 255 characters, none of them a control character, the first not $",
    "type": "string",
    "minLength": 1,
    "maxLength": SESSION_ID_LENGTH,
    "pattern": "^[^$\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$",
    "examples": ["c1"],
}
_GIVEN_SESSION_ID: Schema = {
    "description": "Whose session it is; without one a new temporary session is made. Whole numbers are taken as text.",
    "anyOf": [ref("SessionId"), {"type": "integer", "minimum": 0, "maximum": 2**53}],
}
_METADATA: Schema = {"type": "object", "description": "Up to 16 KiB of JSON of your own, without NUL characters"}

_ERROR = _object(
    "A failed attempt",
    {
        "attempt": _COUNT,
        "code": {**_TEXT, "description": f"In which way it failed: {', '.join(FailureCode)}, or retried"},
        "type": {**_TEXT, "description": "The exception's class, `timeout`, `WorkerLost`, or `Retried` by an operator"},
        "message": {**_TEXT, "description": "What the exception says; only for a secret key"},
        "traceback": {**_TEXT, "description": "Only for a secret key"},
        "problem": {"anyOf": [ref("Problem")], "description": "With which it was answered; only for a secret key"},
    },
    ("type",),
)

_PROBLEM = _object(
    "RFC 9457. `type` is stable; there may be members beside these.",
    {
        "type": {"type": "string", "pattern": "^urn:pumice:problem:"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "interactionId": _UUID,
        "errors": {
            "type": "array",
            "items": _object("A wrong field", {"field": _TEXT, "detail": _TEXT}),
        },
    },
    ("type", "title", "status", "detail"),
)

_INTERACTION = _object(
    "An interaction: what became of it and when",
    {
        "interactionId": _UUID,
        "agentId": _TEXT,
        "sessionId": _TEXT,
        "kind": {"enum": list(Kind)},
        "name": {**_or_null(_TEXT), "description": "The hook's, job's or method's"},
        "status": {"enum": list(Status)},
        "reason": {**_or_null(_TEXT), "description": "Why it did not run, or not well"},
        "reasonCode": {"enum": [None, *Reason], "description": "The same for programs"},
        "supersededBy": _or_null(_UUID),
        "result": {"description": "A chat's message, a hook's response, or what a method returned"},
        "error": _or_null(ref("AttemptError")),
        "errors": {"type": "array", "items": ref("AttemptError")},
        "attempts": _COUNT,
        "acceptedAt": _TIME,
        "scheduledFor": _or_null(_TIME),
        "availableAt": _TIME,
        "wokenAt": _or_null(_TIME),
        "startedAt": _or_null(_TIME),
        "finishedAt": _or_null(_TIME),
        "usage": {**_or_null({"type": "object"}), "description": "What a language model used"},
    },
    (
        *(
            "interactionId",
            "agentId",
            "sessionId",
            "kind",
            "name",
            "status",
            "reason",
            "reasonCode",
            "supersededBy",
            "result",
            "error",
        ),
        *("errors", "attempts", "acceptedAt", "scheduledFor", "availableAt", "wokenAt", "startedAt", "finishedAt"),
    ),
)

_CHAT_REQUEST = _object(
    "`messages` are appended to the session's own, or replace them",
    {
        "sessionId": _GIVEN_SESSION_ID,
        "session_id": {**_GIVEN_SESSION_ID, "description": "The same as `sessionId`"},
        "messages": {"type": "array", "minItems": 1, "items": {"anyOf": [_TEXT, ref("NewMessage")]}},
        "sessionToken": {**_TEXT, "description": "The same as x-session-token"},
        "session_token": {**_TEXT, "description": "The same as x-session-token"},
        "history": {"enum": ["append", "replace"], "default": "append"},
    },
    ("messages",),
) | {"examples": [{"sessionId": "c1", "messages": [{"role": "user", "content": "hi"}]}]}

SCHEMAS: dict[str, Schema] = {
    "SessionId": _SESSION_ID,
    "Message": _object(
        "What was said", {"role": {"enum": list(ROLES)}, "content": _or_null(_CONTENT), **_TOOLS}, ("role", "content")
    ),
    "NewMessage": _object(
        "What is said. Roles other than the agent's `roles` need a secret key.",
        {"role": {"enum": list(ROLES), "default": "user"}, "content": _or_null(_CONTENT), **_TOOLS},
        ("content",),
    ),
    "ChatRequest": _CHAT_REQUEST,
    "ChatReply": _object("The reply", {"sessionId": _TEXT, "interactionId": _UUID, "message": ref("Message")}),
    "Accepted": _object(
        "Accepted durably; `location` says what becomes of it",
        {"interactionId": _UUID, "sessionId": _TEXT, "status": {"const": "accepted"}, "location": _TEXT},
    ),
    "Session": _object(
        "A session. Before its first turn its state is the one that a new session begins with.",
        {
            "agentId": _TEXT,
            "sessionId": _TEXT,
            "state": {"type": "object"},
            "version": {**_COUNT, "description": "How many turns it has had"},
            "messageCount": _COUNT,
            "temporary": {"type": "boolean"},
            "expiresAt": _or_null(_TIME),
            "metadata": _METADATA,
            "createdAt": _TIME,
            "updatedAt": _TIME,
        },
    ),
    "NewSession": _object(
        "What to make",
        {
            "sessionId": _GIVEN_SESSION_ID,
            "session_id": {**_GIVEN_SESSION_ID, "description": "The same as `sessionId`"},
            "metadata": _METADATA,
        },
        (),
    ),
    "SessionChange": _object("What to change", {"metadata": _METADATA}) | {"additionalProperties": False},
    "SessionPage": _page("sessions", "Session"),
    "CancelRequest": _object(
        "What to cancel beside the running turn", {"queued": {"type": "boolean", "default": False}}, ()
    ),
    "Cancelled": _object("The interactions that were cancelled", {"cancelled": {"type": "array", "items": _UUID}}),
    "GivenUpFilter": _object(
        "Which of the given-up interactions; all when empty",
        {
            "status": {"enum": ["dead", "failed"]},
            "kind": {"enum": list(Kind)},
            "name": _TEXT,
            "sessionId": _TEXT,
            "session_id": {**_TEXT, "description": "The same as `sessionId`"},
        },
        (),
    ),
    "InteractionIds": _object("Ids", {"interactions": {"type": "array", "items": _UUID}}),
    "AttemptError": _ERROR,
    "Interaction": _INTERACTION,
    "InteractionPage": _page("interactions", "Interaction"),
    "StoredMessage": _object(
        "A message of the session's conversation",
        {
            "seq": _COUNT,
            "role": {"enum": list(ROLES)},
            "content": _or_null(_CONTENT),
            **_TOOLS,
            "interactionId": _UUID,
            "createdAt": _TIME,
        },
        ("seq", "role", "content", "interactionId", "createdAt"),
    ),
    "MessagePage": _page("messages", "StoredMessage"),
    "Difference": _object(
        "What changed between two points",
        {
            "from": _TEXT,
            "to": _or_null(_TEXT),
            "state": {
                "description": "RFC 6902: add, remove, replace, and move for a key that only changed its place",
                "type": "array",
                "items": _object("An operation", {"op": _TEXT, "path": _TEXT}),
            },
            "messages": {"type": "array", "items": ref("StoredMessage")},
            "nextCursor": {**_or_null(_TEXT), "description": "`cursor` of the next page of messages"},
        },
    ),
    "Health": _object("The process lives", {"status": {"const": "ok"}}),
    "Readiness": _object(
        "The store answers",
        {
            "status": {"const": "ready"},
            "postgres": {"const": "live"},
            "redis": {"enum": ["live", "away"], "description": "Away: requests are answered, only slower"},
            "agents": {"type": "array", "items": _TEXT},
        },
    ),
    "Problem": _PROBLEM,
}
