"""The operations of `/openapi.json` that are done to many sessions at once."""

from pumice.web.api.operation import MANAGING, MANY, WRITING, Operation, answer, json_body

FLEET: dict[str, dict[str, Operation]] = {
    "/v1/agents/{agent}/operations": {
        "post": Operation(
            "startOperation",
            "Do something to all sessions for which a condition holds; `dryRun` only counts them. `Location` tells how "
            "far it is",
            ("agent",),
            json_body("NewOperation"),
            {
                **answer("DryRun", "What would be done"),
                **answer("SessionOperation", "Workers are at it", status=202),
            },
            WRITING,
            tag="history",
        ),
        "get": Operation(
            "listOperations",
            "List operations on sessions, newest first",
            MANY,
            None,
            answer("OperationPage", "A page of operations"),
            MANAGING,
            tag="history",
        ),
    },
    "/v1/agents/{agent}/operations/{operation}": {
        "get": Operation(
            "readOperation",
            "Read how far an operation is, and what it could not do",
            ("agent", "operation"),
            None,
            answer("SessionOperation", "The operation"),
            MANAGING,
            tag="history",
        ),
        "delete": Operation(
            "stopOperation",
            "End an operation that runs. What it did is not undone",
            ("agent", "operation"),
            None,
            answer("SessionOperation", "How far it came"),
            MANAGING,
            tag="history",
        ),
    },
    "/v1/agents/{agent}/canary": {
        "put": Operation(
            "startCanary",
            "Have workers of a release run a share of the sessions, instead of any other canary",
            ("agent",),
            json_body("NewCanary"),
            answer("Canary", "The canary"),
            WRITING,
            tag="history",
        ),
        "get": Operation(
            "readCanary",
            "Read the agent's canary",
            ("agent",),
            None,
            answer("Canary", "The canary"),
            MANAGING,
            tag="history",
        ),
        "delete": Operation(
            "stopCanary",
            "Have the stable workers run all sessions again",
            ("agent",),
            None,
            {"204": {"description": "Stopped"}},
            MANAGING,
            tag="history",
        ),
    },
}
"""Paths, methods, and what each does."""
