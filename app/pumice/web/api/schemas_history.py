"""The schemas of `/openapi.json` for the points of a session."""

from typing import Any

from pumice.agents.names import SNAPSHOT_NAME_LENGTH, UUID_FORM
from pumice.web.api.schema import COUNT, TEXT, TIME, UUID, object_of, or_null, page_of, ref

Schema = dict[str, Any]

_AT: Schema = {**TEXT, "minLength": 1, "description": "An interaction's id or a snapshot's name"}
_NAME: Schema = {
    "description": f"As a session's id, up to {SNAPSHOT_NAME_LENGTH} characters, and not like an interaction's id",
    "allOf": [ref("SessionId"), {"maxLength": SNAPSHOT_NAME_LENGTH}, {"not": {"pattern": f"^{UUID_FORM.pattern}$"}}],
}

HISTORY_SCHEMAS: dict[str, Schema] = {
    "Erased": object_of(
        "What was erased, of all sessions together",
        {
            "sessions": {"type": "array", "items": TEXT},
            "messages": COUNT,
            "interactions": COUNT,
            "points": COUNT,
            "snapshots": COUNT,
            "replays": {**COUNT, "description": "Replays in whose reports it was"},
        },
    ),
    "Parent": object_of(
        "Where a fork began", {"sessionId": TEXT, "at": {**or_null(UUID), "description": "The interaction"}}
    ),
    "Effect": object_of(
        "What a turn did beside what it saved; in a quiet session, what it would have done",
        {
            "kind": {"enum": ["call", "schedule", "unschedule", "send", "job", "emit", "model", "tool"]},
            "sessionId": TEXT,
            "method": TEXT,
            "args": {"type": "array"},
            "kwargs": {"type": "object"},
            "delay": {"type": "number"},
            "at": TIME,
            "key": {**TEXT, "description": "Of a schedule that has one"},
            "cron": TEXT,
            "every": {"type": "number"},
            "timezone": or_null(TEXT),
            "data": {},
            "job": TEXT,
        },
        ("kind",),
    ),
    "NewSnapshot": object_of(
        "A name for a point",
        {"name": _NAME, "note": or_null({**TEXT, "maxLength": 4096}), "at": or_null(_AT)},
        ("name",),
    )
    | {"additionalProperties": False},
    "Snapshot": object_of(
        "A point that has a name",
        {
            "name": TEXT,
            "note": or_null(TEXT),
            "at": {**or_null(UUID), "description": "The interaction that left it"},
            "messageCount": COUNT,
            "codeVersion": or_null(TEXT),
            "createdAt": TIME,
        },
    ),
    "SnapshotPage": page_of("snapshots", "Snapshot"),
    "RestoreRequest": object_of(
        "Where to go on from",
        {
            "at": _AT,
            "queued": {"enum": ["keep", "drop"], "default": "keep"},
            "cancel": {"type": "boolean", "default": False, "description": "Cancel the turn that runs"},
        },
        ("at",),
    )
    | {"additionalProperties": False},
    "Restored": object_of(
        "What a restore did",
        {
            "interactionId": {**UUID, "description": "The restore, whose point is the session restored"},
            "sessionId": TEXT,
            "at": TEXT,
            "messageCount": COUNT,
            "cancelled": {"type": "array", "items": UUID},
        },
    ),
    "ForkRequest": object_of(
        "The session to make",
        {
            "sessionId": or_null(ref("SessionId")),
            "session_id": or_null(ref("SessionId")),
            "at": or_null(_AT),
            "quiet": {
                "type": "boolean",
                "default": False,
                "description": "Jobs, calls, schedules and sends are recorded, not done",
            },
            "metadata": or_null({"type": "object"}),
        },
        (),
    )
    | {"additionalProperties": False},
}
