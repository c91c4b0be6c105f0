"""Waiting for an interaction and answering with what became of it."""

import time
from typing import Any

from flask import Response, request

from pumice.agents.json_text import dumps
from pumice.agents.requests import asks_async, decode_response
from pumice.agents.spec import AgentSpec
from pumice.sessions.accept import Accepted, NewInteraction
from pumice.sessions.finished import FinishedInteraction, accepted_document
from pumice.web.http.front import Front
from pumice.web.http.problems import problem_response
from pumice.web.http.shortcuts import FinalResponse


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    return FinalResponse(dumps(value), status, headers, "application/json")


def accepted_response(interaction_id: str, session_id: str, status: int = 202) -> Response:
    """Accepted, and where to look for what becomes of it."""
    body = accepted_document(interaction_id, session_id)
    headers = {"Location": body["location"], "Retry-After": "1"}
    return FinalResponse(dumps(body), status, headers, "application/json")


def prefers_async() -> bool:
    """Whether the client asked for a 202 (RFC 7240)."""
    return asks_async(request.environ.get("HTTP_PREFER"))


def accept_and_wait(
    front: Front, spec: AgentSpec, wanted: NewInteraction, patience: float | None = None
) -> tuple[Accepted, FinishedInteraction | None]:
    """Accept and wait until it is finished; None instead of what became of it when the time is over.

    patience: how many seconds to wait; as long as the reply timeout says, if None.

    A repeat waits for the first; a chat that was merged into a newer one waits for that.
    """
    waiter = front.replies.expect(wanted.id)
    try:
        give_up = time.monotonic() + (front.settings.reply_timeout if patience is None else patience)
        if front.intake.hands_over(spec, wanted, waiter.over):
            accepted = Accepted(wanted.id, wanted.session_id)
        else:
            accepted = front.intake.accept(spec, wanted)
        if accepted.duplicate:
            front.replies.forget(waiter)
            waiter = front.replies.expect(accepted.id, eager=True)
        while True:
            waiter.over.wait(max(give_up - time.monotonic(), 0))
            finished = waiter.finished
            newer = finished.merged_into if finished is not None else None
            if newer is None:
                if finished is not None and not accepted.duplicate:
                    front.intake.finished(wanted)
                return accepted, finished
            waiter = front.replies.expect(newer, eager=True)
    finally:
        front.replies.forget(waiter)


def chat_response(finished: FinishedInteraction, session_id: str) -> Response:
    """The answer to a finished chat."""
    if (problem := finished.problem) is not None:
        return problem_response(problem)
    return json_response({"sessionId": session_id, "interactionId": finished.id, **finished.result})


def hook_response(finished: FinishedInteraction) -> Response:
    """The answer to a finished hook: what the handler returned."""
    if (problem := finished.problem) is not None:
        return problem_response(problem)
    body, status, headers = decode_response(finished.result)
    response = Response(body, status, headers=headers)
    if not any(name.lower() == "content-type" for name, _ in headers):
        del response.headers["Content-Type"]
    response.headers["X-Interaction-Id"] = finished.id
    return response
