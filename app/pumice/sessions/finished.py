"""What a finished interaction looks like to its client: a problem or events. Shared by front, workers and rescue."""

from collections.abc import Mapping
from typing import Any

from pumice.errors import Problem

MERGED = "merged into a newer message"
"""The reason of a chat whose messages a newer one took over: whoever waits for it gets the newer one's reply."""


class TurnFailed(Problem):
    """The agent's handler failed."""

    status, slug = 500, "handler-failed"


class TurnTimedOut(Problem):
    """The agent's handler took longer than its limit."""

    status, slug = 504, "timeout"


class TurnDead(Problem):
    """The interaction was given up after its last attempt."""

    status, slug = 500, "dead"


class TurnCancelled(Problem):
    """The interaction was cancelled."""

    status, slug = 409, "cancelled"


class TurnSuperseded(Problem):
    """The interaction was dropped for a newer one."""

    status, slug = 409, "superseded"


class TurnNotSerializable(Problem):
    """What the handler left can't be stored as JSON."""

    status, slug = 500, "unserialisable"


class ForwardedProblem(Problem):
    """The request can't be answered."""

    def __init__(self, document: Mapping[str, Any], interaction_id: str) -> None:
        self._document = {**document, "interactionId": interaction_id}
        super().__init__(str(document.get("detail", "")))
        self.status = int(document.get("status", 500))

    def document(self) -> dict[str, Any]:
        """The document of the problem that the handler raised."""
        return self._document


def accepted_document(interaction_id: str, session_id: str) -> dict[str, Any]:
    """What a client is told whose interaction is accepted and not finished: where to look for what becomes of it."""
    location = f"/v1/interactions/{interaction_id}"
    return {"interactionId": interaction_id, "sessionId": session_id, "status": "accepted", "location": location}


def problem_of(
    interaction_id: str,
    status: str,
    error: Mapping[str, Any] | None,
    reason: str | None = None,
    superseded_by: str | None = None,
) -> Problem:
    """The problem that an interaction ended in. It names the interaction and holds no traceback."""
    if superseded_by is not None:
        return TurnSuperseded(reason, interactionId=interaction_id, supersededBy=superseded_by)
    if status == "cancelled":
        return TurnCancelled(reason, interactionId=interaction_id)
    if error and "problem" in error:
        return ForwardedProblem(error["problem"], interaction_id)
    kind = error.get("type") if error else None
    if kind == "timeout":
        return TurnTimedOut(str(error and error["message"]), interactionId=interaction_id)
    if kind == "SerializationError":
        return TurnNotSerializable(str(error and error["message"]), interactionId=interaction_id)
    if status == "dead":
        return TurnDead(reason, interactionId=interaction_id)
    return TurnFailed(interactionId=interaction_id)
