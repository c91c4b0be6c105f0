"""The baseline's front: insert, commit, `delay(id)`; a chat waits for its reply on a Redis list."""

import json
import os
from typing import Any

import redis
from flask import Flask, request

from tests.bench.baseline.models import Database, Interaction
from tests.bench.baseline.tasks import run_interaction

app = Flask(__name__)
replies = redis.Redis.from_url(os.environ["REDIS_URL"], socket_timeout=30)


@app.get("/healthz")
def health() -> dict[str, Any]:
    return {"ok": True}


@app.post("/hooks/event")
def event() -> tuple[dict[str, Any], int]:
    payload = request.get_json()
    interaction_id = accept(payload["session"], "hook", payload)
    return {"interactionId": interaction_id}, 202


@app.post("/chat")
def chat() -> tuple[dict[str, Any], int]:
    payload = request.get_json()
    interaction_id = accept(payload["sessionId"], "chat", payload)
    reply = replies.blpop([f"reply:{interaction_id}"], timeout=25)
    if reply is None:
        return {"interactionId": interaction_id}, 202
    return {"interactionId": interaction_id, "message": json.loads(reply[1])}, 200


def accept(session_id: str, kind: str, payload: dict[str, Any]) -> int:
    with Database.begin() as database:
        interaction = Interaction(session_id=session_id, kind=kind, payload=payload)
        database.add(interaction)
    run_interaction.delay(interaction.id)
    return interaction.id
