"""The schemas of a session's schedules, of `/openapi.json`."""

from pumice.agents.scheduling import LONGEST_DELAY, SHORTEST_INTERVAL
from pumice.web.api.schema import COUNT, TEXT, TIME, UUID, Schema, object_of, or_null, page_of

SESSION_TIMEZONE: Schema = {
    **or_null({"type": "string", "examples": ["Europe/Berlin"]}),
    "description": "IANA name; null is UTC",
}
_ARGS: Schema = {"type": "array", "description": "Positional arguments of the method"}
_KWARGS: Schema = {"type": "object", "description": "Named arguments of the method"}
_ZONE: Schema = {
    **or_null({"type": "string", "examples": ["Europe/Berlin", "session"]}),
    "description": "In which `cron` is read, UTC unless given; `session` for the session's own",
}

SCHEDULE_SCHEMAS: dict[str, Schema] = {
    "NewSchedule": object_of(
        "What to call, and when: exactly one of `at`, `delay`, `cron` and `every`",
        {
            "method": {**TEXT, "description": "Of the agent's class"},
            "args": _ARGS,
            "kwargs": _KWARGS,
            "at": {**TIME, "description": "Once, at this time"},
            "delay": {
                "type": "number",
                "minimum": 0,
                "maximum": LONGEST_DELAY,
                "description": "Once, after so many seconds",
            },
            "cron": {"type": "string", "examples": ["0 9 * * *"], "description": "Whenever this expression is due"},
            "every": {
                "type": "number",
                "minimum": SHORTEST_INTERVAL,
                "maximum": LONGEST_DELAY,
                "description": "Each so many seconds, for the first time after as many",
            },
            "timezone": _ZONE,
        },
        ("method",),
    )
    | {"additionalProperties": False},
    "Schedule": object_of(
        "A schedule of a session, or a call that was scheduled without one",
        {
            "key": {**or_null(TEXT), "description": "Null for a call that was scheduled without a key"},
            "method": TEXT,
            "args": _ARGS,
            "kwargs": _KWARGS,
            "cron": or_null(TEXT),
            "every": {**or_null({"type": "number"}), "description": "Seconds"},
            "timezone": _ZONE,
            "nextAt": {**or_null(TIME), "description": "Null when it is paused: `error` says why"},
            "lastAt": {**or_null(TIME), "description": "The time for which it ran last"},
            "missed": {**COUNT, "description": "Times that its next run will stand for beside its own"},
            "error": or_null(TEXT),
            "interactionId": {**or_null(UUID), "description": "The interaction that waits or runs for it"},
            "createdAt": TIME,
            "updatedAt": TIME,
        },
    ),
    "SchedulePage": page_of("schedules", "Schedule"),
}
"""By their names."""
