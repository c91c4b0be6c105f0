"""The WebSocket addresses and frames as `/openapi.json` describes them; OpenAPI has no place of its own for these."""

from typing import Any

_PARAMETERS = (
    "`agentId`, `apiKey`, `sessionId` and `lastEventId` are taken in snake_case too; only `apiKey` is required."
)

WEBSOCKETS: dict[str, Any] = {
    "description": "A socket belongs to one session and sees all its events. Events of a stream (SSE) are the same.",
    "addresses": [
        {"path": "/v1?agent_id={agent}&api_key={key}&sessionId={session}", "description": _PARAMETERS},
        {"path": "/v1/agentId={agent}/apiKey={key}/sessionId={session}", "description": "The same, in any order"},
        {"path": "/v1/{agent}?sessionId={session}", "description": "The same; the key as `apiKey` or x-api-key"},
    ],
    "in": [
        {"example": "hello", "description": "Text: a user's message"},
        {"example": {"role": "user", "content": "hello"}, "description": "A message"},
        {
            "example": {"type": "chat", "messages": [{"role": "user", "content": "hello"}]},
            "description": "Several; `history` may be `replace`",
        },
        {"example": {"type": "stop"}, "description": "Ends the turn that runs in the session"},
        {"example": {"type": "move", "to": 7}, "description": "Anything else goes to the agent's `receive`"},
    ],
    "out": {
        "session": {"sessionId": "c1", "agentId": "desk", "description": "First"},
        "accepted": {"interactionId": "…", "kind": "chat", "description": "A frame is in Postgres"},
        "delta": {"interactionId": "…", "attempt": 1, "content": "He", "description": "Streamed text, live"},
        "data": {"interactionId": "…", "attempt": 1, "data": {}, "description": "What the agent sends, live"},
        "message": {
            "interactionId": "…",
            "message": {},
            "description": "The reply, after its commit; on"
            " other streams of the session, before the turn's other events, also what the user said (role user)",
        },
        "done": {"interactionId": "…", "kind": "chat", "status": "done", "description": "Success, after the commit"},
        "error": {
            "interactionId": "…",
            "error": {"$ref": "#/components/schemas/Problem"},
            "description": "The end, if not done",
        },
    },
    "eventId": "Every event has one. `lastEventId` (SSE: Last-Event-ID) replays what came after it, once.",
    "closeCodes": {
        "1009": "A frame is too large",
        "1011": "The server failed",
        "1012": "The server restarts: connect again, with `lastEventId`",
        "1013": "The client reads too slowly: connect again, with `lastEventId`",
        "4400": "An id is not one",
        "4401": "The key is missing, wrong or revoked, or the session token is wrong or has expired",
        "4403": "Sockets from this origin are not allowed",
        "4404": "There is no such agent",
    },
}
