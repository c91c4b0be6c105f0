"""The schemas of operations on many sessions, of `/openapi.json`."""

from pumice.agents.operations import ACTIONS, LONGEST_NOTE
from pumice.web.api.schema import COUNT, TEXT, UUID, Schema, object_of, or_null, page_of

_POINT: Schema = or_null({"type": "string", "minLength": 1})
_FLAG: Schema = or_null({"type": "boolean"})
_REQUEST: Schema = {
    "action": {"enum": list(ACTIONS)},
    "where": {"type": "object", "description": "The condition; {} picks all sessions"},
    "canary": or_null(
        object_of(
            "Only the sessions of a canary's share, without those of the smaller share `above`",
            {"release": TEXT, "percent": {"type": "number"}, "above": {"type": "number"}},
            ("release", "percent"),
        )
    ),
    "dryRun": {**_FLAG, "description": "Only count the sessions"},
    "name": {"type": "string", "description": "snapshot: its name", "minLength": 1},
    "note": {**or_null({"type": "string", "maxLength": LONGEST_NOTE}), "description": "snapshot: what it is for"},
    "prefix": {"type": "string", "description": "fork: begins the new ids", "minLength": 1, "default": "fork-"},
    "at": {**_POINT, "description": "fork, restore: a snapshot's name or an interaction's id"},
    "quiet": {**_FLAG, "description": "fork: do nothing outside the fork"},
    "queued": {"enum": ["keep", "drop", None], "description": "restore: what becomes of work that waits"},
    "cancel": {**_FLAG, "description": "restore: cancel turns that run"},
}
_PROBLEM = object_of("A session to which it could not be done", {"sessionId": or_null(TEXT), "detail": TEXT})

FLEET_SCHEMAS: dict[str, Schema] = {
    "NewOperation": object_of("What to do to which sessions", _REQUEST, ("action", "where")),
    "DryRun": object_of(
        "What would be done, and the first sessions to which",
        {"action": TEXT, "matched": COUNT, "sessions": {"type": "array", "items": TEXT}},
    ),
    "SessionOperation": object_of(
        "An operation on sessions",
        {
            "operationId": UUID,
            "action": {"enum": list(ACTIONS)},
            "status": {"enum": ["running", "done", "stopped", "failed"]},
            "matched": COUNT,
            "done": COUNT,
            "skipped": COUNT,
            "failed": COUNT,
            "problems": {"type": "array", "items": _PROBLEM},
            "request": {"type": "object"},
            "createdAt": TEXT,
            "finishedAt": or_null(TEXT),
        },
    ),
    "NewCanary": object_of(
        "A share of an agent's sessions for a release", {"release": TEXT, "percent": {"type": "number"}}
    ),
    "Canary": object_of(
        "A canary, and how many workers of its release are there",
        {"release": TEXT, "percent": {"type": "number"}, "workers": COUNT, "createdAt": TEXT},
    ),
    "OperationPage": page_of("operations", "SessionOperation"),
}
"""By their names."""
