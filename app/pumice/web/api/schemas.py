"""The schemas of `/openapi.json`: what requests and answers hold (JSON Schema 2020-12)."""

from pumice.agents.messages import ROLES
from pumice.agents.names import SESSION_ID_LENGTH
from pumice.agents.states import FailureCode, Kind, Reason, Status
from pumice.web.api.schema import COUNT, TEXT, TIME, UUID, Schema, object_of, or_null, page_of, ref
from pumice.web.api.schemas_deliveries import DELIVERY_SCHEMAS
from pumice.web.api.schemas_export import EXPORT_SCHEMAS
from pumice.web.api.schemas_fleet import FLEET_SCHEMAS
from pumice.web.api.schemas_history import HISTORY_SCHEMAS
from pumice.web.api.schemas_jobs import JOB_SCHEMAS
from pumice.web.api.schemas_outgoing import OUTGOING_SCHEMAS
from pumice.web.api.schemas_replay import REPLAY_SCHEMAS
from pumice.web.api.schemas_schedules import SCHEDULE_SCHEMAS, SESSION_TIMEZONE

_CONTENT: Schema = {
    "description": "Text, or parts such as `{type: text, text: …}` and `{type: image_url, image_url: …}`",
    "anyOf": [TEXT, {"type": "array", "items": {"type": "object"}}],
}
_TOOLS: dict[str, Schema] = {
    "name": {**or_null(TEXT), "description": "Who said it, or which tool"},
    "tool_calls": {
        **or_null({"type": "array", "items": {"type": "object", "required": ["id"]}}),
        "description": "The tools that the assistant called; its content may be null then",
    },
    "tool_call_id": {**or_null(TEXT), "description": "Which call a tool's message answers"},
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

_ERROR = object_of(
    "A failed attempt",
    {
        "attempt": COUNT,
        "code": {**TEXT, "description": f"In which way it failed: {', '.join(FailureCode)}, or retried"},
        "type": {**TEXT, "description": "The exception's class, `timeout`, `WorkerLost`, or `Retried` by an operator"},
        "message": {**TEXT, "description": "What the exception says; only for a secret key"},
        "traceback": {**TEXT, "description": "Only for a secret key"},
        "problem": {"anyOf": [ref("Problem")], "description": "With which it was answered; only for a secret key"},
    },
    ("type",),
)

_PROBLEM = object_of(
    "RFC 9457. `type` is stable; there may be members beside these.",
    {
        "type": {"type": "string", "pattern": "^urn:pumice:problem:"},
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "interactionId": UUID,
        "errors": {
            "type": "array",
            "items": object_of("A wrong field", {"field": TEXT, "detail": TEXT}),
        },
    },
    ("type", "title", "status", "detail"),
)

_INTERACTION = object_of(
    "An interaction: what became of it and when",
    {
        "interactionId": UUID,
        "agentId": TEXT,
        "sessionId": TEXT,
        "kind": {"enum": list(Kind)},
        "name": {**or_null(TEXT), "description": "The hook's, job's or method's"},
        "status": {"enum": list(Status)},
        "reason": {**or_null(TEXT), "description": "Why it did not run, or not well"},
        "reasonCode": {"enum": [None, *Reason], "description": "The same for programs"},
        "supersededBy": or_null(UUID),
        "result": {"description": "A chat's message, a hook's response, or what a method returned"},
        "error": or_null(ref("AttemptError")),
        "errors": {"type": "array", "items": ref("AttemptError")},
        "attempts": COUNT,
        "codeVersion": {**or_null(TEXT), "description": "Which code ran it"},
        "effects": {"type": "array", "items": ref("Effect"), "description": "Only for a secret key"},
        "acceptedAt": TIME,
        "scheduledFor": or_null(TIME),
        "availableAt": TIME,
        "wokenAt": or_null(TIME),
        "startedAt": or_null(TIME),
        "finishedAt": or_null(TIME),
        "usage": {**or_null({"type": "object"}), "description": "What a language model used"},
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

_CHAT_REQUEST = object_of(
    "`messages` are appended to the session's own, or replace them",
    {
        "sessionId": _GIVEN_SESSION_ID,
        "session_id": {**_GIVEN_SESSION_ID, "description": "The same as `sessionId`"},
        "messages": {"type": "array", "minItems": 1, "items": {"anyOf": [TEXT, ref("NewMessage")]}},
        "sessionToken": {**TEXT, "description": "The same as x-session-token"},
        "session_token": {**TEXT, "description": "The same as x-session-token"},
        "history": {"enum": ["append", "replace"], "default": "append"},
    },
    ("messages",),
) | {"examples": [{"sessionId": "c1", "messages": [{"role": "user", "content": "hi"}]}]}

SCHEMAS: dict[str, Schema] = {
    "SessionId": _SESSION_ID,
    "Message": object_of(
        "What was said", {"role": {"enum": list(ROLES)}, "content": or_null(_CONTENT), **_TOOLS}, ("role", "content")
    ),
    "NewMessage": object_of(
        "What is said. Roles other than the agent's `roles` need a secret key.",
        {"role": {"enum": list(ROLES), "default": "user"}, "content": or_null(_CONTENT), **_TOOLS},
        ("content",),
    ),
    "ChatRequest": _CHAT_REQUEST,
    "ChatReply": object_of("The reply", {"sessionId": TEXT, "interactionId": UUID, "message": ref("Message")}),
    "Accepted": object_of(
        "Accepted durably; `location` says what becomes of it",
        {"interactionId": UUID, "sessionId": TEXT, "status": {"const": "accepted"}, "location": TEXT},
    ),
    "Session": object_of(
        "A session. Before its first turn its state is the one that a new session begins with.",
        {
            "agentId": TEXT,
            "sessionId": TEXT,
            "state": {"type": "object"},
            "stateVersion": COUNT,
            "version": {**COUNT, "description": "How many turns it has had"},
            "codeVersion": {**or_null(TEXT), "description": "Which code ran its last turn"},
            "messageCount": COUNT,
            "parent": {**or_null(ref("Parent")), "description": "Where it began, if it is a fork"},
            "quiet": {"type": "boolean"},
            "at": {**or_null(UUID), "description": "For a point: the interaction that left it"},
            "atTime": {**or_null(TIME), "description": "For a point: since when it stood so"},
            "temporary": {"type": "boolean"},
            "expiresAt": or_null(TIME),
            "metadata": _METADATA,
            "timezone": {**or_null(TEXT), "description": "IANA name; null is UTC"},
            "createdAt": TIME,
            "updatedAt": TIME,
        },
        (
            *("agentId", "sessionId", "state", "stateVersion", "version", "codeVersion", "messageCount", "parent"),
            *("quiet", "temporary", "expiresAt", "metadata", "timezone", "createdAt", "updatedAt"),
        ),
    ),
    "NewSession": object_of(
        "What to make",
        {
            "sessionId": _GIVEN_SESSION_ID,
            "session_id": {**_GIVEN_SESSION_ID, "description": "The same as `sessionId`"},
            "metadata": _METADATA,
        },
        (),
    ),
    "SessionChange": object_of("What to change", {"metadata": _METADATA, "timezone": SESSION_TIMEZONE}, ())
    | {"additionalProperties": False, "minProperties": 1},
    "SessionPage": {
        **page_of("sessions", "Session"),
        "properties": {
            **page_of("sessions", "Session")["properties"],
            "count": {**COUNT, "description": "How many there are in all, if that was asked"},
        },
    },
    "CancelRequest": object_of(
        "What to cancel beside the running turn", {"queued": {"type": "boolean", "default": False}}, ()
    ),
    "Cancelled": object_of("The interactions that were cancelled", {"cancelled": {"type": "array", "items": UUID}}),
    "GivenUpFilter": object_of(
        "Which of the given-up interactions; all when empty",
        {
            "status": {"enum": ["dead", "failed"]},
            "kind": {"enum": list(Kind)},
            "name": TEXT,
            "sessionId": TEXT,
            "session_id": {**TEXT, "description": "The same as `sessionId`"},
        },
        (),
    ),
    "InteractionIds": object_of("Ids", {"interactions": {"type": "array", "items": UUID}}),
    "AttemptError": _ERROR,
    "Interaction": _INTERACTION,
    "InteractionPage": page_of("interactions", "Interaction"),
    "StoredMessage": object_of(
        "A message of the session's conversation",
        {
            "seq": COUNT,
            "role": {"enum": list(ROLES)},
            "content": or_null(_CONTENT),
            **_TOOLS,
            "interactionId": UUID,
            "createdAt": TIME,
        },
        ("seq", "role", "content", "interactionId", "createdAt"),
    ),
    "MessagePage": page_of("messages", "StoredMessage"),
    **HISTORY_SCHEMAS,
    **EXPORT_SCHEMAS,
    **REPLAY_SCHEMAS,
    **FLEET_SCHEMAS,
    **DELIVERY_SCHEMAS,
    **JOB_SCHEMAS,
    **OUTGOING_SCHEMAS,
    **SCHEDULE_SCHEMAS,
    "Health": object_of("The process lives", {"status": {"const": "ok"}}),
    "Readiness": object_of(
        "The store answers",
        {
            "status": {"const": "ready"},
            "postgres": {"const": "live"},
            "redis": {"enum": ["live", "away"], "description": "Away: requests are answered, only slower"},
            "agents": {"type": "array", "items": TEXT},
        },
    ),
    "Problem": _PROBLEM,
}
