"""The operations of `/openapi.json`."""

from pumice.web.api.operation import MANAGING, MANY, ONE, WRITING, Operation, answer, json_body
from pumice.web.api.operations_deliveries import DELIVERIES
from pumice.web.api.operations_export import EXPORT
from pumice.web.api.operations_fleet import FLEET
from pumice.web.api.operations_history import HISTORY, POINTING
from pumice.web.api.operations_jobs import JOBS
from pumice.web.api.operations_outgoing import OUTGOING
from pumice.web.api.operations_replay import REPLAY
from pumice.web.api.operations_schedules import SCHEDULES
from pumice.web.api.schema import Schema, ref

_TEXT: Schema = {"type": "string"}
CHAT_PROBLEMS = (400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503, 504)
HOOK_PROBLEMS = (400, 401, 404, 405, 409, 413, 422, 429, 500, 503, 504)

_ACCEPTED: dict[str, Schema] = {
    "202": {
        "description": "Accepted: `Prefer: respond-async`, or no reply within the reply timeout (25 s)",
        "headers": {
            "Location": {"schema": _TEXT, "description": "The interaction"},
            "Retry-After": {"schema": _TEXT, "description": "Seconds after which to look"},
        },
        "content": {"application/json": {"schema": ref("Accepted")}},
    }
}
_CHAT_ANSWERS: dict[str, Schema] = {
    "200": {
        "description": "The reply; with `Accept: text/event-stream` its events as they happen (see x-websockets)",
        "content": {"application/json": {"schema": ref("ChatReply")}, "text/event-stream": {"schema": _TEXT}},
    },
    **_ACCEPTED,
}
_ANY_BODY: Schema = {"content": {"*/*": {"schema": {}}}}
_HOOK_ANSWERS: dict[str, Schema] = {
    **_ACCEPTED,
    "default": {"description": "What the handler returned: any status, headers and body", "content": {"*/*": {}}},
}
_CHAT_PARAMETERS = (
    *("sessionId", "session_id", "x-session-id", "x-session-token", "sessionToken", "session_token"),
    *("idempotency-key", "prefer", "last-event-id"),
)


def _chat(operation_id: str, summary: str, *more: str) -> Operation:
    parameters = (*more, *_CHAT_PARAMETERS)
    return Operation(
        operation_id, summary, parameters, json_body("ChatRequest"), _CHAT_ANSWERS, CHAT_PROBLEMS, tag="chat"
    )


def _hook(operation_id: str, summary: str, body: Schema | None) -> Operation:
    parameters = ("agent", "hook", "idempotency-key", "prefer")
    return Operation(operation_id, summary, parameters, body, _HOOK_ANSWERS, HOOK_PROBLEMS, secured=False, tag="hooks")


def _about(operation_id: str, summary: str, answers: dict[str, Schema], *problems: int) -> Operation:
    return Operation(operation_id, summary, (), None, answers, problems, secured=False, tag="about")


_TOKEN = ("x-session-token", "sessionToken", "session_token")

OPERATIONS: dict[str, dict[str, Operation]] = {
    "/v1/chat": {"post": _chat("chat", "Chat with the agent that the key names")},
    "/v1/agents/{agent}/chat": {"post": _chat("chatWith", "Chat with an agent", "agent")},
    "/v1/agents/{agent}/hooks/{hook}": {
        "get": _hook("getHook", "Deliver to a hook by GET", None),
        "post": _hook("postHook", "Deliver to a hook", _ANY_BODY),
        "put": _hook("putHook", "Deliver to a hook by PUT", _ANY_BODY),
        "patch": _hook("patchHook", "Deliver to a hook by PATCH", _ANY_BODY),
        "delete": _hook("deleteHook", "Deliver to a hook by DELETE", None),
    },
    "/v1/interactions/{interaction}": {
        "get": Operation(
            "getInteraction",
            "What became of an interaction",
            ("interaction", "x-session-token", "sessionToken", "session_token"),
            answers=answer("Interaction", "The interaction"),
            problems=(401, 403, 404, 422, 429, 503),
            tag="chat",
        )
    },
    "/v1/agents/{agent}/sessions": {
        "get": Operation(
            "listSessions",
            "List sessions by id",
            (*MANY, "where", "count"),
            None,
            answer("SessionPage", "A page of sessions"),
            MANAGING,
        ),
        "post": Operation(
            "createSession",
            "Make a session",
            ("agent",),
            json_body("NewSession"),
            answer("Session", "The new session", status=201),
            (*WRITING, 409),
        ),
    },
    "/v1/agents/{agent}/sessions/{session}": {
        "get": Operation(
            "getSession",
            "Read a session, as it stands or as it was at a point",
            (*ONE, "at"),
            None,
            answer("Session", "The session"),
            POINTING,
        ),
        "patch": Operation(
            "changeSession",
            "Replace a session's metadata, or set its timezone",
            ONE,
            json_body("SessionChange"),
            answer("Session", "The session"),
            WRITING,
        ),
        "delete": Operation(
            "deleteSession",
            "Delete a session with its interactions and messages; with `erase`, leave no trace, and say what went",
            (*ONE, "erase", "forks"),
            None,
            {"204": {"description": "Deleted"}, **answer("Erased", "What was erased")},
            (*MANAGING, 409),
        ),
    },
    "/v1/agents/{agent}/sessions/{session}/interactions": {
        "get": Operation(
            "listInteractions",
            "List a session's interactions in the order of acceptance",
            (*ONE, "limit", "cursor"),
            None,
            answer("InteractionPage", "A page of interactions"),
            MANAGING,
        )
    },
    "/v1/agents/{agent}/sessions/{session}/messages": {
        "get": Operation(
            "listMessages",
            "List the messages of a session's conversation, oldest first; a public key needs a session token",
            (*ONE, *_TOKEN, "limit", "cursor", "at"),
            None,
            answer("MessagePage", "A page of messages"),
            POINTING,
        )
    },
    "/v1/agents/{agent}/sessions/{session}/events": {
        "get": Operation(
            "watchSession",
            "Stream a session's events without sending anything, until the client goes (see x-websockets)",
            (*ONE, *_TOKEN, "last-event-id", "lastEventId", "last_event_id"),
            None,
            {"200": {"description": "The session's events", "content": {"text/event-stream": {"schema": _TEXT}}}},
            MANAGING,
            tag="chat",
        )
    },
    "/v1/agents/{agent}/sessions/{session}/stop": {
        "post": Operation(
            "stopSession",
            "Cancel the turn that runs in a session",
            (*ONE, *_TOKEN),
            None,
            answer("Cancelled", "What was cancelled; its state is as before"),
            MANAGING,
            tag="chat",
        )
    },
    "/v1/agents/{agent}/sessions/{session}/cancel": {
        "post": Operation(
            "cancelSession",
            "Cancel the turn that runs in a session and, if `queued`, all that waits there",
            ONE,
            json_body("CancelRequest", required=False),
            answer("Cancelled", "What was cancelled; its state is as before"),
            WRITING,
        )
    },
    "/v1/agents/{agent}/interactions": {
        "get": Operation(
            "listGivenUp",
            "List the interactions that were given up (dead or failed), in the order of acceptance",
            (*MANY, "status", "kind", "name", "sessionId", "session_id"),
            None,
            answer("InteractionPage", "A page of interactions"),
            MANAGING,
            tag="operating",
        )
    },
    "/v1/agents/{agent}/interactions/{action}": {
        "post": Operation(
            "actOnMany",
            "Retry or discard all given-up interactions that the body's filter lets through",
            ("agent", "action"),
            json_body("GivenUpFilter"),
            answer("InteractionIds", "Those that were"),
            WRITING,
            tag="operating",
        )
    },
    "/v1/agents/{agent}/interactions/{interaction}/{action}": {
        "post": Operation(
            "actOnOne",
            "Retry or discard a given-up interaction",
            ("agent", "interaction", "action"),
            None,
            answer("InteractionIds", "It"),
            MANAGING,
            tag="operating",
        )
    },
    **HISTORY,
    **EXPORT,
    **REPLAY,
    **FLEET,
    **DELIVERIES,
    **JOBS,
    **OUTGOING,
    **SCHEDULES,
    "/healthz": {"get": _about("getHealth", "Does this process live?", answer("Health", "It does"))},
    "/readyz": {"get": _about("getReadiness", "Can it serve?", answer("Readiness", "It can"), 503)},
    "/metrics": {
        "get": _about(
            "getMetrics",
            "Metrics for Prometheus",
            {"200": {"description": "Text format 0.0.4", "content": {"text/plain": {"schema": _TEXT}}}},
            503,
        )
    },
    "/openapi.json": {
        "get": _about(
            "getOpenapi",
            "This document",
            {"200": {"description": "OpenAPI 3.1", "content": {"application/json": {"schema": {"type": "object"}}}}},
        )
    },
}
