"""The schemas of replays, of `/openapi.json`."""

from pumice.web.api.schema import COUNT, TEXT, UUID, Schema, object_of, or_null, page_of

_REQUEST: Schema = {
    "sessions": {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "maxItems": 1000},
    "where": {**or_null({"type": "object"}), "description": "Sessions for which this condition holds, up to 1,000"},
    "sample": or_null({"type": "integer", "minimum": 1, "maximum": 1000}),
    "from": {**or_null({"type": "string", "minLength": 1}), "description": "Only what came after this point"},
    "baseline": {**or_null(TEXT), "description": "A release whose workers run it too, to compare with; or stable"},
    "candidate": {**or_null(TEXT), "description": "The release whose workers run it; without it, the stable ones"},
    "model": {"enum": ["recorded", "live"], "default": "recorded"},
}
_DIFFERENCE = object_of(
    "What came out differently",
    {"what": TEXT, "recorded": {"description": "As it was"}, "candidate": {}, "baseline": {}},
    ("what", "recorded", "candidate"),
)
_TURN = object_of(
    "A turn that ran again",
    {"interactionId": UUID, "changed": {"type": "boolean"}, "differences": {"type": "array", "items": _DIFFERENCE}},
)
_SESSION = object_of(
    "A session that was replayed",
    {
        "sessionId": TEXT,
        "status": {"enum": ["queued", "running", "done", "failed", "stopped"]},
        "error": or_null(TEXT),
        "turns": {"type": "array", "items": _TURN},
    },
)

REPLAY_SCHEMAS: dict[str, Schema] = {
    "NewReplay": object_of("What to replay: `sessions`, or those for which `where` holds, or a `sample`", _REQUEST, ()),
    "StartedReplay": object_of("A replay", {"replayId": UUID, "status": {"const": "running"}}),
    "ReplayEntry": object_of("A replay", {"replayId": UUID, "request": {"type": "object"}, "createdAt": TEXT}),
    "ReplayPage": page_of("replays", "ReplayEntry"),
    "Replay": object_of(
        "The report of a replay",
        {
            "replayId": UUID,
            "status": {"enum": ["running", "done", "failed", "stopped"]},
            "turns": COUNT,
            "changed": COUNT,
            "sessionsDone": COUNT,
            "request": {"type": "object"},
            "createdAt": TEXT,
            "sessions": {"type": "array", "items": _SESSION},
        },
    ),
}
"""By their names."""
