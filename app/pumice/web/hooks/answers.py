"""How a delivery is answered: as its sender wants it, within the time that it gives."""

from flask import Response

from pumice.agents.deliveries import Handled
from pumice.agents.handlers import Hook
from pumice.agents.requests import decode_response
from pumice.sessions.accept import Accepted
from pumice.sessions.finished import FinishedInteraction
from pumice.web.http.responses import accepted_response, hook_response, json_response

MARGIN = 0.5
"""Seconds that are left for the answer's way back."""
SHARE = 0.7
"""Of a time so short that the margin would leave nothing, what is spent waiting."""
OK, ACCEPTED, NO_CONTENT = 200, 202, 204


def patience(hook: Hook, reply_timeout: float) -> float:
    """How long, in seconds, a request waits for its turn: no longer than its sender would."""
    within = hook.source.within if hook.source is not None else None
    return reply_timeout if within is None else min(reply_timeout, max(within - MARGIN, within * SHARE))


def handled_response(handled: Handled) -> Response:
    """The answer to a request that runs no turn."""
    body, status, headers = decode_response(handled.response.encode())
    return Response(body, status, headers=headers)


def accepted_delivery(hook: Hook, accepted: Accepted) -> Response:
    """The answer to a delivery whose turn is not finished. It says what the sender wants to read, if it says that."""
    source = hook.source
    status = hook.accepted_status or (OK if source is not None and source.only_200 else ACCEPTED)
    response = accepted_response(accepted.id, accepted.session_id, status)
    if source is None or source.later is None:
        return response
    told = json_response(source.later, status)
    told.headers["Location"] = response.headers["Location"]
    return told


def finished_delivery(hook: Hook, finished: FinishedInteraction) -> Response:
    """The answer to a delivery whose turn is over; what returned nothing is 200 for a sender that knows no 204."""
    response = hook_response(finished)
    if response.status_code == NO_CONTENT and hook.source is not None and hook.source.only_200:
        response.status_code = OK
    return response
