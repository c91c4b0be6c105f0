"""The schemas of jobs, of `/openapi.json`."""

from pumice.agents.jobs import CatchUp, Overlap
from pumice.agents.states import JobOutcome, TickKind
from pumice.web.api.schema import COUNT, TEXT, TIME, UUID, Schema, object_of, or_null, page_of, ref

_NUMBER: Schema = {"type": "number", "minimum": 0}
_FLAG: Schema = {"type": "boolean"}
_TICK: Schema = {
    "scheduledFor": TIME,
    "kind": {"enum": list(TickKind), "description": "Due, due while no beat was there, or asked for"},
    "sessions": {**COUNT, "description": "Sessions that were reached"},
    "done": COUNT,
    "failed": COUNT,
    "skipped": COUNT,
    "missed": {**COUNT, "description": "Due times before it that were folded into it"},
    "reason": {**or_null(TEXT), "description": "Why it was closed without a run"},
    "reasonCode": or_null(TEXT),
    "createdAt": TIME,
    "insertedAt": {**or_null(TIME), "description": "When all sessions had been reached"},
    "doneAt": {**or_null(TIME), "description": "When all runs were finished"},
}
_DECLARED: Schema = {
    "cron": {**or_null(TEXT), "description": "The cron expression, unless it runs at intervals"},
    "every": {**or_null({"type": "integer"}), "description": "The interval in seconds"},
    "timezone": {**or_null(TEXT), "description": "`session`: each session's own"},
    "overlap": or_null({"enum": list(Overlap)}),
    "catchUp": or_null({"enum": list(CatchUp)}),
    "catchUpWindow": {**or_null(_NUMBER), "description": "Seconds; null: as `JOB_CATCH_UP` says"},
    "jitter": or_null(_NUMBER),
    "anchor": {**or_null({"enum": ["epoch", "created"]}), "description": "Where its intervals begin"},
    "static": or_null(_FLAG),
    "temporary": or_null(_FLAG),
    "lastDue": or_null(TIME),
    "nextDue": {"type": "array", "items": TIME, "description": "The next three due times"},
}
_REMEMBERED: Schema = {
    "paused": _FLAG,
    "pausedAt": or_null(TIME),
    "removed": {**_FLAG, "description": "It is not in the code any more"},
    "removedAt": or_null(TIME),
    "error": {**or_null(TEXT), "description": "Why its due times can't be worked out"},
    "firstSeenAt": {**or_null(TIME), "description": "When a beat first saw it"},
    "decidedUntil": {**or_null(TIME), "description": "All due times up to here have a tick, or were left out"},
    "missed": {
        "type": "object",
        "additionalProperties": COUNT,
        "description": "Due times that were not run, by the reason's code",
    },
    "lastTick": or_null(ref("Tick")),
}
_SESSION = {**or_null(TEXT), "description": "Only in this session; without it in all that the job is for"}

JOB_SCHEMAS: dict[str, Schema] = {
    "Tick": object_of("A due time of a job, or a run that was asked for", _TICK),
    "TickPage": page_of("ticks", "Tick"),
    "Job": object_of(
        "A job: how it is declared (null where it is not in the code), and what it remembers",
        {"agentId": TEXT, "name": TEXT, **_DECLARED, **_REMEMBERED},
    ),
    "JobList": object_of("An agent's jobs", {"jobs": {"type": "array", "items": ref("Job")}}),
    "NoFields": object_of("Nothing", {}) | {"additionalProperties": False},
    "JobRunRequest": object_of(
        "Where to run it",
        {"sessionId": _SESSION, "session_id": {**or_null(TEXT), "description": "The same as `sessionId`"}},
        (),
    )
    | {"additionalProperties": False},
    "JobRun": object_of(
        "A run that was asked for: of all sessions, or the interaction of one",
        {"scheduledFor": TIME, "sessionId": or_null(TEXT), "interactionId": or_null(UUID)},
    ),
    "JobSpan": object_of("A span of due times, both ends included (RFC 3339)", {"from": TIME, "to": TIME})
    | {"additionalProperties": False},
    "JobBackfill": object_of(
        "What a backfill made",
        {"from": TIME, "to": TIME, "ticks": COUNT, "existing": {**COUNT, "description": "Due times that had a tick"}},
    ),
    "JobExplanation": object_of(
        "What happened",
        {
            "outcome": {"enum": list(JobOutcome)},
            "reason": {**or_null(TEXT), "description": "In words; null for what ran"},
            "reasonCode": or_null(TEXT),
            "scheduledFor": TIME,
            "interactionId": or_null(UUID),
            "attempts": COUNT,
            "error": or_null(ref("AttemptError")),
            "startedAt": or_null(TIME),
            "finishedAt": or_null(TIME),
            "dueBefore": {**or_null(TIME), "description": "The due time before one that is none"},
            "dueAfter": or_null(TIME),
        },
    ),
}
"""By their names."""
