"""The operations of `/openapi.json` on jobs."""

from pumice.web.api.operation import MANAGING, MANY, WRITING, Operation, answer, json_body

_ONE = ("agent", "job")
_EXPLAINING = (*_ONE, "explainedSession", "explainedSessionSnake", "explainedAt")
_NOTHING = json_body("NoFields", required=False)

JOBS: dict[str, dict[str, Operation]] = {
    "/v1/agents/{agent}/jobs": {
        "get": Operation(
            "listJobs",
            "List the agent's jobs: how they are declared, when they are due, and how far their newest ticks are",
            ("agent",),
            None,
            answer("JobList", "The jobs, also those that are not in the code any more"),
            MANAGING,
            tag="jobs",
        ),
    },
    "/v1/agents/{agent}/jobs/{job}/run": {
        "post": Operation(
            "runJob",
            "Run a job now, in all sessions that it is for or in one; a static job once",
            _ONE,
            json_body("JobRunRequest", required=False),
            answer("JobRun", "What was made; workers run it", status=202),
            (*WRITING, 409),
            tag="jobs",
        ),
    },
    "/v1/agents/{agent}/jobs/{job}/pause": {
        "post": Operation(
            "pauseJob",
            "Pause a job: due times from now on are not run. What waits already still runs",
            _ONE,
            _NOTHING,
            answer("Job", "The job"),
            WRITING,
            tag="jobs",
        ),
    },
    "/v1/agents/{agent}/jobs/{job}/resume": {
        "post": Operation(
            "resumeJob",
            "End a job's pause. What was due in it stays not run",
            _ONE,
            _NOTHING,
            answer("Job", "The job"),
            WRITING,
            tag="jobs",
        ),
    },
    "/v1/agents/{agent}/jobs/{job}/backfill": {
        "post": Operation(
            "backfillJob",
            "Run a job for the due times of a span in the past that have no tick",
            _ONE,
            json_body("JobSpan"),
            answer("JobBackfill", "How many ticks were made; workers run them", status=202),
            (*WRITING, 409),
            tag="jobs",
        ),
    },
    "/v1/agents/{agent}/jobs/{job}/ticks": {
        "get": Operation(
            "listTicks",
            "List a job's ticks, newest first, and how far each is",
            (*MANY, "job"),
            None,
            answer("TickPage", "A page of ticks"),
            MANAGING,
            tag="jobs",
        ),
    },
    "/v1/agents/{agent}/jobs/{job}/explain": {
        "get": Operation(
            "explainJob",
            "Say what happened in a session at a job's due time, or what the run waits for",
            _EXPLAINING,
            None,
            answer("JobExplanation", "What happened"),
            (*MANAGING, 410),
            tag="jobs",
        ),
    },
}
"""Paths, methods, and what each does."""
