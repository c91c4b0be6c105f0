"""The schemas of comparing a session's points, of `/openapi.json`."""

from pumice.web.api.schema import Schema, object_of, or_null, ref

EXPORT_SCHEMAS: dict[str, Schema] = {
    "Difference": object_of(
        "What changed between two points",
        {
            "from": {"type": "string"},
            "to": or_null({"type": "string"}),
            "state": {
                "description": "RFC 6902: add, remove, replace, and move for a key that only changed its place",
                "type": "array",
                "items": object_of("An operation", {"op": {"type": "string"}, "path": {"type": "string"}}),
            },
            "messages": {"type": "array", "items": ref("StoredMessage")},
            "nextCursor": {**or_null({"type": "string"}), "description": "`cursor` of the next page of messages"},
        },
    ),
}
"""By their names."""
