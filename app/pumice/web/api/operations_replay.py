"""The operations of `/openapi.json` that run what was recorded again."""

from pumice.web.api.operation import MANAGING, MANY, WRITING, Operation, answer, json_body

REPLAY: dict[str, dict[str, Operation]] = {
    "/v1/agents/{agent}/replays": {
        "post": Operation(
            "startReplay",
            "Run what was recorded in some sessions again on today's code; `Location` is the report",
            ("agent",),
            json_body("NewReplay"),
            answer("StartedReplay", "The replay has started", status=202),
            (*WRITING, 410),
            tag="history",
        ),
        "get": Operation(
            "listReplays",
            "List replays, newest first",
            MANY,
            None,
            answer("ReplayPage", "A page of replays"),
            MANAGING,
            tag="history",
        ),
    },
    "/v1/agents/{agent}/replays/{replay}": {
        "get": Operation(
            "readReplay",
            "Read the report of a replay: where turns came out differently",
            ("agent", "replay"),
            None,
            answer("Replay", "The report so far"),
            MANAGING,
            tag="history",
        )
    },
    "/v1/agents/{agent}/replays/{replay}/stop": {
        "post": Operation(
            "stopReplay",
            "End a replay that runs: the sessions that are not done yet are not replayed",
            ("agent", "replay"),
            None,
            answer("Replay", "The report"),
            MANAGING,
            tag="history",
        )
    },
}
