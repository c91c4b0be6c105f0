"""Waiting for an interaction and answering with what became of it."""

import json
import time
from typing import Any

import orjson
from flask import Response, request

from pumice.agents.requests import asks_async, decode_response
from pumice.agents.spec import AgentSpec
from pumice.sessions.accept import Accepted, NewInteraction
from pumice.sessions.finished import MERGED, accepted_document, problem_of
from pumice.web.http.front import Front
from pumice.web.http.problems import problem_response
from pumice.web.http.shortcuts import FinalResponse


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    try:
        body = orjson.dumps(value)
    except TypeError:  # jsonb gives 1e300 back as an integer, which is longer than orjson writes them
        body = json.dumps(value, separators=(",", ":")).encode()
    return FinalResponse(body, status, headers, "application/json")


def accepted_response(interaction_id: str, session_id: str) -> Response:
    """202: accepted, and where to look for what becomes of it."""
    body = accepted_document(interaction_id, session_id)
    headers = {"Location": body["location"], "Retry-After": "1"}
    return FinalResponse(orjson.dumps(body), 202, headers, "application/json")


def prefers_async() -> bool:
    """Whether the client asked for a 202 (RFC 7240)."""
    return asks_async(request.headers.get("prefer"))


def accept_and_wait(front: Front, spec: AgentSpec, wanted: NewInteraction) -> tuple[Accepted, dict[str, Any] | None]:
    """Accept and wait until it is finished; None instead of what became of it when the reply timeout is over.

    A repeat waits for the first; a chat that was merged into a newer one waits for that.
    """
    waiter = front.replies.expect(wanted.id)
    try:
        accepted = front.intake.accept(spec, wanted)
        give_up = time.monotonic() + front.settings.reply_timeout
        if accepted.duplicate:
            front.replies.forget(waiter)
            waiter = front.replies.expect(accepted.id, eager=True)
        while True:
            waiter.over.wait(max(give_up - time.monotonic(), 0))
            document = waiter.document
            if document is None or document.get("reason") != MERGED:
                return accepted, document
            waiter = front.replies.expect(document["supersededBy"], eager=True)
    finally:
        front.replies.forget(waiter)


def problem_in(document: dict[str, Any]) -> Response | None:
    """The problem that a finished interaction ended in, if it did."""
    if document["status"] == "done":
        return None
    error, reason = document.get("error"), document.get("reason")
    return problem_response(problem_of(document["id"], document["status"], error, reason, document.get("supersededBy")))


def chat_response(document: dict[str, Any], session_id: str) -> Response:
    """The answer to a finished chat."""
    problem = problem_in(document)
    if problem is not None:
        return problem
    return json_response({"sessionId": session_id, "interactionId": document["id"], **document["result"]})


def hook_response(document: dict[str, Any]) -> Response:
    """The answer to a finished hook: what the handler returned."""
    problem = problem_in(document)
    if problem is not None:
        return problem
    body, status, headers = decode_response(document["result"])
    response = Response(body, status, headers=headers)
    if not any(name.lower() == "content-type" for name, _ in headers):
        del response.headers["Content-Type"]
    response.headers["X-Interaction-Id"] = document["id"]
    return response
