"""The operations of `/openapi.json` that write, read and compare sessions."""

from pumice.web.api.operation import ONE, WRITING, Operation, answer
from pumice.web.api.operations_history import POINTING
from pumice.web.api.schema import TEXT

EXPORT: dict[str, dict[str, Operation]] = {
    "/v1/agents/{agent}/sessions/{session}/export": {
        "get": Operation(
            "exportSession",
            "Write a session to a file, up to a point: JSON lines, as docs/export.md describes",
            (*ONE, "at"),
            None,
            {"200": {"description": "The file", "content": {"application/x-ndjson": {"schema": TEXT}}}},
            POINTING,
            tag="history",
        )
    },
    "/v1/agents/{agent}/sessions/import": {
        "post": Operation(
            "importSession",
            "Make a session of an exported file; everything in it or nothing",
            ("agent", "importAs", "importAsSnake"),
            {"required": True, "content": {"application/x-ndjson": {"schema": TEXT}}},
            answer("Session", "The new session", status=201),
            (*WRITING, 408, 409),
            tag="history",
        )
    },
    "/v1/agents/{agent}/sessions/{session}/diff": {
        "get": Operation(
            "diffSession",
            "Compare a session at two of its points",
            (*ONE, "from", "to", "limit", "cursor"),
            None,
            answer("Difference", "What changed"),
            POINTING,
            tag="history",
        )
    },
}
