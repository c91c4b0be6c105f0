"""What a turn did, as the rows of a commit."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pumice.agents.context import Call
from pumice.agents.jobs import SESSION_ZONE
from pumice.agents.json_text import dumps
from pumice.agents.messages import Message
from pumice.agents.names import is_temporary_id
from pumice.agents.outgoing import OutgoingEvent
from pumice.agents.scheduling import NewSchedule, ScheduleOperation, Unschedule, changes_of
from pumice.agents.turn import Outcome


def outcome_row(outcome: Outcome) -> dict[str, Any]:
    """What became of an interaction."""
    failure = outcome.failure
    waits = failure is not None and failure.waits
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
        "scheduled": call.scheduled,
    }


def event_row(event: OutgoingEvent) -> dict[str, Any]:
    """An event for other systems."""
    return {"id": event.id, "type": event.type, "payload": event.payload}


def schedule_rows(
    operations: Iterable[ScheduleOperation], timezone: str | None, *, moves: bool
) -> list[dict[str, Any]]:
    """What becomes of a session's schedules, by what its turns asked, one row for each key.

    timezone: the session's, after the turns; moves: they set it. Due times are worked out here, by this clock; where
    that fails, the schedule is due at once, and who fires it says why it can't be.
    """
    now = datetime.now(UTC)
    rows: list[dict[str, Any]] = []
    for change in changes_of(operations):
        row = {"key": change.key, "cancels": change.cancels}
        if change.new is not None:
            next_at = None
            with suppress(Exception):
                next_at = change.new.first(now, timezone)
            is_local = change.new.timezone == SESSION_ZONE
            row |= new_schedule_row(change.new, next_at) | {"moves": moves and is_local, "zone": timezone}
        rows.append(row)
    return rows


def new_schedule_row(new: NewSchedule, next_at: datetime | None) -> dict[str, Any]:
    """A schedule as it is asked for. Without `next_at` it is due so many seconds after it is stored."""
    return {
        "method": new.method,
        "payload": new.payload,
        "cron": new.cron,
        "every": new.every,
        "timezone": new.timezone,
        "next_at": next_at,
        "delay": new.delay if new.every is None else new.every,
    }


def _json(value: Any) -> str | None:
    return None if value is None else dumps(value).decode()


def effects_of(outcome: Outcome) -> str | None:
    """What a turn did beside what it saved, as JSON; None when that is nothing.

    A list of `{"kind": "call", "sessionId", "method", "args", "kwargs"}`,
    `{"kind": "schedule", …, "at" or "delay"}`, the same with a `key` and also `cron` and `timezone`, or `every`,
    `{"kind": "unschedule", "key"}`, `{"kind": "send", "data"}`, `{"kind": "emit", "type", "data"}` and, in a
    quiet session, `{"kind": "model", "model", "messages"}`: a model that was not asked.
    """
    found = [
        *map(_call_effect, outcome.calls),
        *map(_schedule_effect, outcome.schedules),
        *(dumps({"kind": "send", "data": data}) for data in outcome.sent),
        *map(_emit_effect, outcome.emitted),
        *(dumps({"kind": "model", **one}) for one in outcome.not_asked),
    ]
    return (b"[" + b",".join(found) + b"]").decode() if found else None


def _call_effect(call: Call) -> bytes:
    fields: dict[str, Any] = {"kind": "schedule" if call.scheduled else "call", "sessionId": call.session_id}
    fields["method"] = call.method
    if call.scheduled:
        fields |= {"delay": call.delay} if call.at is None else {"at": call.at}
    return dumps(fields)[:-1] + b"," + call.payload.encode()[1:]


def _schedule_effect(operation: ScheduleOperation) -> bytes:
    if isinstance(operation, Unschedule):
        return dumps({"kind": "unschedule", "key": operation.key})
    fields = {"kind": "schedule", "key": operation.key, "method": operation.method, **operation.when}
    return dumps(fields)[:-1] + b"," + operation.payload.encode()[1:]


def _emit_effect(event: OutgoingEvent) -> bytes:
    return dumps({"kind": "emit", "type": event.type})[:-1] + b',"data":' + event.payload.encode() + b"}"
