"""The operations of `/openapi.json` on the points of a session: snapshots, restores, forks."""

from pumice.web.api.operation import MANAGING, ONE, WRITING, Operation, answer, json_body

POINTING = (*MANAGING, 410)
"""The problems of what reads a point."""
HISTORY: dict[str, dict[str, Operation]] = {
    "/v1/agents/{agent}/sessions/{session}/snapshots": {
        "get": Operation(
            "listSnapshots",
            "List a session's snapshots by name",
            (*ONE, "limit", "cursor"),
            None,
            answer("SnapshotPage", "A page of snapshots"),
            MANAGING,
            tag="history",
        ),
        "post": Operation(
            "takeSnapshot",
            "Name a point of a session, which is then kept; without `at`, as it stands now",
            ONE,
            json_body("NewSnapshot"),
            answer("Snapshot", "The snapshot", status=201),
            (*WRITING, 409, 410),
            tag="history",
        ),
    },
    "/v1/agents/{agent}/sessions/{session}/snapshots/{snapshot}": {
        "get": Operation(
            "getSnapshot",
            "Read a snapshot",
            (*ONE, "snapshot"),
            None,
            answer("Snapshot", "The snapshot"),
            MANAGING,
            tag="history",
        ),
        "delete": Operation(
            "deleteSnapshot",
            "Forget a snapshot; its point goes when it is pruned",
            (*ONE, "snapshot"),
            None,
            {"204": {"description": "Forgotten"}},
            MANAGING,
            tag="history",
        ),
    },
    "/v1/agents/{agent}/sessions/{session}/restore": {
        "post": Operation(
            "restoreSession",
            "Have a session go on from an earlier point; what came after it stays readable",
            ONE,
            json_body("RestoreRequest"),
            answer("Restored", "The session stands at the point"),
            (*WRITING, 409, 410),
            tag="history",
        )
    },
    "/v1/agents/{agent}/sessions/{session}/fork": {
        "post": Operation(
            "forkSession",
            "Start a new session at a point of another one; what was said before is shared",
            ONE,
            json_body("ForkRequest", required=False),
            answer("Session", "The new session", status=201),
            (*WRITING, 409, 410),
            tag="history",
        )
    },
}
