"""What a turn did, as the rows of a commit."""

from typing import Any

from pumice.agents.context import Call
from pumice.agents.json_text import dumps
from pumice.agents.messages import Message
from pumice.agents.names import is_temporary_id
from pumice.agents.outgoing import OutgoingEvent
from pumice.agents.states import FailureCode
from pumice.agents.turn import Outcome


def outcome_row(outcome: Outcome) -> dict[str, Any]:
    """What became of an interaction."""
    failure = outcome.failure
    waits = failure is not None and failure.code == FailureCode.STATE
    return {
        "id": outcome.work.id,
        "status": "queued" if outcome.status == "retry" else outcome.status,
        "result": outcome.result,
        "error": _json(failure.encode() if failure and not waits else None),
        "usage": _json(outcome.usage),
        "attempt": outcome.work.attempts + (not waits),
        "delay": failure.retry_after if failure else 0.0,
        "reason": failure.message if failure and waits else outcome.reason,
        "reason_code": outcome.reason_code,
        "superseded_by": outcome.superseded_by,
    }


def message_row(message: Message) -> dict[str, Any]:
    """A message of the conversation. Its content may be null, as that of a message that only calls tools."""
    return {"role": message.role, "content": dumps(message.content).decode(), "data": _json(message.data)}


def call_row(call: Call) -> dict[str, Any]:
    """A call of another session, or a later one of the same."""
    return {
        "id": call.id,
        "target": call.session_id,
        "method": call.method,
        "payload": call.payload,
        "at": call.at,
        "delay": call.delay,
        "temporary": is_temporary_id(call.session_id),
    }


def event_row(event: OutgoingEvent) -> dict[str, Any]:
    """An event for other systems."""
    return {"id": event.id, "type": event.type, "payload": event.payload}


def _json(value: Any) -> str | None:
    return None if value is None else dumps(value).decode()


def effects_of(outcome: Outcome) -> str | None:
    """What a turn did beside what it saved, as JSON; None when that is nothing.

    A list of `{"kind": "call", "sessionId", "method", "args", "kwargs"}`,
    `{"kind": "schedule", …, "at" or "delay"}`, `{"kind": "send", "data"}`, `{"kind": "emit", "type", "data"}` and, in a
    quiet session, `{"kind": "model", "model", "messages"}`: a model that was not asked.
    """
    if not outcome.calls and not outcome.sent and not outcome.emitted and not outcome.not_asked:
        return None
    sent = [dumps({"kind": "send", "data": data}) for data in outcome.sent]
    asked = [dumps({"kind": "model", **one}) for one in outcome.not_asked]
    return (
        b"[" + b",".join([*map(_call_effect, outcome.calls), *sent, *map(_emit_effect, outcome.emitted), *asked]) + b"]"
    ).decode()


def _call_effect(call: Call) -> bytes:
    fields: dict[str, Any] = {"kind": "schedule" if call.scheduled else "call", "sessionId": call.session_id}
    fields["method"] = call.method
    if call.scheduled:
        fields |= {"delay": call.delay} if call.at is None else {"at": call.at}
    return dumps(fields)[:-1] + b"," + call.payload.encode()[1:]


def _emit_effect(event: OutgoingEvent) -> bytes:
    return dumps({"kind": "emit", "type": event.type})[:-1] + b',"data":' + event.payload.encode() + b"}"
