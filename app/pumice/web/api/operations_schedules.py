"""The operations of `/openapi.json` on a session's schedules."""

from pumice.web.api.operation import MANAGING, ONE, WRITING, Operation, answer, json_body

_TAG = "schedules"
_KEYED = (*ONE, "key")

SCHEDULES: dict[str, dict[str, Operation]] = {
    "/v1/agents/{agent}/sessions/{session}/schedules": {
        "get": Operation(
            "listSchedules",
            "List a session's schedules by key, then the calls that wait without a schedule",
            (*ONE, "limit", "cursor"),
            None,
            answer("SchedulePage", "A page of schedules"),
            MANAGING,
            tag=_TAG,
        )
    },
    "/v1/agents/{agent}/sessions/{session}/schedules/{key}": {
        "get": Operation(
            "readSchedule",
            "Read a schedule",
            _KEYED,
            None,
            answer("Schedule", "The schedule"),
            MANAGING,
            tag=_TAG,
        ),
        "put": Operation(
            "putSchedule",
            "Make a schedule, or replace the one of its key; the same recurring one keeps its next time",
            _KEYED,
            json_body("NewSchedule"),
            {**answer("Schedule", "The schedule"), **answer("Schedule", "The new schedule", status=201)},
            (*WRITING, 409),
            tag=_TAG,
        ),
        "delete": Operation(
            "deleteSchedule",
            "Delete a schedule, and cancel the run that it fired and nobody has started",
            _KEYED,
            None,
            {"204": {"description": "Deleted"}},
            MANAGING,
            tag=_TAG,
        ),
    },
}
"""Paths, methods, and what each does."""
