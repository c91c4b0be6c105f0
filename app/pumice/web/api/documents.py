"""Rows as clients see them: camelCase, times in ISO 8601."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from pumice.agents.spec import AgentSpec
from pumice.sessions.conversation import length, parts_of
from pumice.sessions.models import InteractionRow
from pumice.sessions.points import Point
from pumice.sessions.queries import current_state


def session_document(spec: AgentSpec, row: Row[Any]) -> dict[str, Any]:
    """A session. Before its first turn it has the state that a new one has."""
    state = current_state(row)
    parent = {"sessionId": row.parent_session, "at": _text(row.parent_interaction)} if row.parent_session else None
    return {
        "agentId": spec.id,
        "sessionId": row.id,
        "state": state if state is not None else spec.cls.State().model_dump(mode="json"),
        "stateVersion": row.state_version,
        "version": row.version,
        "codeVersion": row.code_version,
        "messageCount": length(parts_of(row.transcript, row.history_start, row.message_count)),
        "parent": parent,
        "quiet": row.quiet,
        "temporary": row.temporary,
        "expiresAt": _time(row.expires_at),
        "metadata": row.metadata,
        "timezone": row.timezone,
        "createdAt": _time(row.created_at),
        "updatedAt": _time(row.updated_at),
    }


def point_document(spec: AgentSpec, point: Point) -> dict[str, Any]:
    """What of a session's document was different at a point."""
    return {
        "state": json.loads(point.state) if point.state is not None else spec.cls.State().model_dump(mode="json"),
        "stateVersion": point.state_version,
        "version": point.point,
        "codeVersion": point.code_version,
        "messageCount": point.messages,
        "at": point.interaction_id,
        "atTime": _time(point.at),
    }


def interaction_document(row: InteractionRow, *, secret: bool) -> dict[str, Any]:
    """An interaction: what became of it and when. Only a secret key sees what exceptions say, and all token usage."""
    errors = row.errors or []
    shown = errors if secret else [_without_words(one) for one in errors]
    document = {
        "interactionId": str(row.id),
        "agentId": row.agent_id,
        "sessionId": row.session_id,
        "kind": row.kind,
        "name": row.name,
        "status": row.status,
        "reason": row.reason,
        "reasonCode": row.reason_code,
        "supersededBy": _text(row.superseded_by),
        "result": _result(row),
        "error": shown[-1] if shown and row.status in {"failed", "dead"} else None,
        "errors": shown,
        "attempts": row.attempts,
        "codeVersion": row.code_version,
        "acceptedAt": _time(row.accepted_at),
        "scheduledFor": _time(row.scheduled_for),
        "availableAt": _time(row.available_at),
        "wokenAt": _time(row.woken_at),
        "startedAt": _time(row.started_at),
        "finishedAt": _time(row.finished_at),
    }
    if isinstance(row.payload, dict) and "replayedFrom" in row.payload:
        document["replayedFrom"] = row.payload["replayedFrom"]
    if secret:
        return document | {"usage": row.usage, "effects": row.effects or []}
    return document | {"usage": row.usage} if row.kind == "chat" else document


def _result(row: InteractionRow) -> Any:
    """The result as clients know it: a chat's message, a hook's response, or what a method returned."""
    if isinstance(row.result, dict) and set(row.result) == {"value"}:
        return row.result["value"]
    return row.result


def _without_words(error: dict[str, Any]) -> dict[str, Any]:
    """A failed attempt without its message and its traceback."""
    return {key: error[key] for key in ("attempt", "code", "type") if key in error}


def _text(value: UUID | None) -> str | None:
    return None if value is None else str(value)


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.isoformat()
