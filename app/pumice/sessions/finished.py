"""What a finished interaction looks like to its clients. Shared by the front, the workers and rescue."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pumice.agents.json_text import loads
from pumice.agents.states import FailureCode, Kind, Reason, Status
from pumice.errors import Problem
from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import Statement


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


@dataclass(frozen=True, slots=True)
class FinishedInteraction:
    """An interaction that is over: what became of it, and why.

    result: what the handler left, ready for JSON. error: the last attempt's, as it is stored.
    reason: in words; reason_code: one of `Reason`. superseded_by: the newer interaction that took its place.
    """

    id: str
    kind: str
    status: str
    result: Any = None
    error: Mapping[str, Any] | None = None
    reason: str | None = None
    reason_code: str | None = None
    superseded_by: str | None = None

    @property
    def merged_into(self) -> str | None:
        """The newer chat that took this one's messages over, whose reply is the answer to both."""
        return self.superseded_by if self.reason_code == Reason.MERGED else None

    @property
    def problem(self) -> Problem | None:
        """The problem that it ended in, as every client may see it; None for one that is done."""
        if self.status == Status.DONE:
            return None
        if self.superseded_by is not None:
            members: dict[str, Any] = {"supersededBy": self.superseded_by, "reasonCode": self.reason_code}
            return TurnSuperseded(self.reason, interactionId=self.id, **members)
        if self.status == Status.CANCELLED:
            return TurnCancelled(self.reason, interactionId=self.id)
        return self._failure()

    def events(self, *, message: Any = None, has_message: bool = False) -> Iterator[dict[str, Any]]:
        """The last events that streams see of it: a chat's `message` (unless that came before), then `done` or `error`.

        message: the reply, for a caller that has it at hand; else it is taken from the result.
        """
        problem = self.problem
        if problem is not None:
            yield {"type": "error", "interactionId": self.id, "kind": self.kind, "error": problem.document()}
            return
        if self.kind == Kind.CHAT and not has_message:
            said = self.result["message"] if message is None else message
            yield {"type": "message", "interactionId": self.id, "message": said}
        yield {"type": "done", "interactionId": self.id, "kind": self.kind, "status": self.status}

    def encode(self) -> dict[str, Any]:
        """The form in which it travels to the fronts, ready for JSON; without tracebacks."""
        error = self.error and {key: value for key, value in self.error.items() if key != "traceback"}
        return {
            "id": self.id,
            "kind": self.kind,
            "status": self.status,
            "result": self.result,
            "error": error,
            "reason": self.reason,
            "reasonCode": self.reason_code,
            "supersededBy": self.superseded_by,
        }

    @classmethod
    def decode(cls, document: Mapping[str, Any]) -> "FinishedInteraction":
        """The interaction that `encode` made this of. Raises `KeyError` for a document that is none."""
        names = ("id", "kind", "status", "result", "error", "reason", "reasonCode", "supersededBy")
        return cls(*(document[name] for name in names))

    def _failure(self) -> Problem:
        """A failed turn for clients: in which way it failed, and nothing that an exception says.

        A handler that raises a `Problem` has its document told, as it is meant. Of a limit that is over, the first line
        is told; of what can't be stored, where it is: what follows them is other exceptions' text.
        """
        error = self.error or {}
        if "problem" in error:
            return ForwardedProblem(error["problem"], self.id)
        code, message = error.get("code"), str(error.get("message"))
        if code == FailureCode.TIMEOUT:
            return TurnTimedOut(message.partition("\n")[0], interactionId=self.id)
        if code == FailureCode.SERIALIZATION:
            return TurnNotSerializable(message.partition(": ")[0], interactionId=self.id)
        if self.status == Status.DEAD:
            return TurnDead(self.reason, interactionId=self.id)
        return TurnFailed(interactionId=self.id)


def accepted_document(interaction_id: str, session_id: str) -> dict[str, Any]:
    """What a client is told whose interaction is accepted and not finished: where to look for what becomes of it."""
    location = f"/v1/interactions/{interaction_id}"
    return {"interactionId": interaction_id, "sessionId": session_id, "status": "accepted", "location": location}


class _Row(NamedTuple):
    id: str
    kind: str
    status: str
    result: str | None
    error: dict[str, Any] | None
    reason: str | None
    reason_code: str | None
    superseded_by: str | None


FINISHED = Statement(
    "find_finished",
    """
select id::text as id, kind, status, result::text as result, errors -> -1 as error, reason, reason_code,
  superseded_by::text as superseded_by
from interactions where id = any(%(ids)s::uuid[]) and status <> 'queued'
""",
    _Row,
)
"""Which of these interactions are finished, and how."""


def find_finished(store: StoreConnection, ids: Iterable[str]) -> list[FinishedInteraction]:
    """Those of these interactions that are finished. Raises `StoreAwayError`."""
    found = [FinishedInteraction(*row) for row in store.fetch(FINISHED, {"ids": list(ids)})]
    return [replace(one, result=None if one.result is None else loads(one.result)) for one in found]
