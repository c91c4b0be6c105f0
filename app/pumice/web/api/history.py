"""`/v1/agents/<agent>/sessions/<id>/snapshots`, `…/restore`, `…/fork`: what a session's points are for."""

from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, request

from pumice.agents.names import checked_session_id, checked_snapshot_name, is_temporary_id
from pumice.agents.operations import checked_at, checked_choice, checked_flag, checked_note
from pumice.errors import InvalidField
from pumice.messaging.wakes import Wake
from pumice.sessions import snapshots
from pumice.sessions.accept import temporary_session_id
from pumice.sessions.forks import NewFork, fork
from pumice.sessions.points import resolve
from pumice.sessions.restoring import RestoreOptions, restore
from pumice.sessions.snapshots import NewSnapshot, Snapshot
from pumice.web.api.sessions import checked_metadata, read_session
from pumice.web.http.front import Front
from pumice.web.http.managing import authorised, page_limit
from pumice.web.http.request_fields import either, json_object
from pumice.web.http.responses import json_response
from pumice.web.http.stopping_turns import stop_turns


def history_blueprint(front: Front) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("history", __name__, url_prefix="/v1/agents/<agent_id>/sessions/<session_id>")

    @blueprint.post("/snapshots")
    def take(agent_id: str, session_id: str) -> Response:
        spec = authorised(front, agent_id)
        body = _object(request, {"name", "note", "at"})
        new = NewSnapshot(checked_snapshot_name(body.get("name")), checked_note(body.get("note"), "note"))
        with front.connections.borrow() as store:
            made = snapshots.take(store, spec.id, session_id, new, at=checked_at(body.get("at"), "at"))
        path = f"/v1/agents/{spec.id}/sessions/{quote(session_id, safe='')}/snapshots/{quote(new.name, safe='')}"
        return json_response(snapshot_document(made), 201, {"Location": path})

    @blueprint.get("/snapshots")
    def list_(agent_id: str, session_id: str) -> Response:
        spec = authorised(front, agent_id)
        read_session(front, spec, session_id)
        limit, after = page_limit(), request.args.get("cursor", "")
        if "\x00" in after:
            raise InvalidField("cursor", "must not hold NUL characters")
        with front.connections.borrow() as store:
            rows = snapshots.list_(store, spec.id, session_id, after=after, limit=limit)
        following = rows[-1].name if len(rows) == limit else None
        return json_response({"snapshots": [snapshot_document(row) for row in rows], "nextCursor": following})

    @blueprint.get("/snapshots/<name>")
    def read(agent_id: str, session_id: str, name: str) -> Response:
        spec = authorised(front, agent_id)
        read_session(front, spec, session_id)
        with front.connections.borrow() as store:
            return json_response(snapshot_document(snapshots.read(store, spec.id, session_id, name)))

    @blueprint.delete("/snapshots/<name>")
    def remove(agent_id: str, session_id: str, name: str) -> Response:
        spec = authorised(front, agent_id)
        read_session(front, spec, session_id)
        with front.connections.borrow() as store:
            snapshots.delete(store, spec.id, session_id, name)
        return Response(status=204)

    @blueprint.post("/restore")
    def set_back(agent_id: str, session_id: str) -> Response:
        spec = authorised(front, agent_id)
        body = _object(request, {"at", "queued", "cancel"})
        at = checked_at(body.get("at"), "at")
        if at is None:
            raise InvalidField("at", "is required: an interaction's id or a snapshot's name")
        drops = checked_choice(body.get("queued", "keep"), "queued", ("keep", "drop")) == "drop"
        wanted = RestoreOptions("drop" if drops else "keep", checked_flag(body.get("cancel"), "cancel"))
        return _restore(front, spec.id, session_id, at, wanted)

    @blueprint.post("/fork")
    def start(agent_id: str, session_id: str) -> Response:
        spec = authorised(front, agent_id)
        body = _object(request, {"sessionId", "session_id", "at", "quiet", "metadata"})
        wanted = either(body, "sessionId", "session_id")
        new_id = temporary_session_id().replace("tmp-", "ses-") if wanted is None else checked_session_id(wanted)
        if is_temporary_id(new_id):
            raise InvalidField("sessionId", "is a temporary session's")
        metadata = None if body.get("metadata") is None else checked_metadata(body["metadata"])
        with front.connections.borrow() as store:
            new = NewFork(new_id, checked_flag(body.get("quiet"), "quiet"), metadata)
            fork(store, spec.id, session_id, new, at=checked_at(body.get("at"), "at"))
        location = {"Location": f"/v1/agents/{spec.id}/sessions/{quote(new_id, safe='')}"}
        return json_response(read_session(front, spec, new_id), 201, location)

    return blueprint


def snapshot_document(row: Snapshot) -> dict[str, Any]:
    """A snapshot as clients see it."""
    return {
        "name": row.name,
        "note": row.note,
        "at": row.interaction_id,
        "messageCount": row.messages,
        "codeVersion": row.code_version,
        "createdAt": row.created_at.isoformat(),
    }


def _restore(front: Front, agent_id: str, session_id: str, at: str, wanted: RestoreOptions) -> Response:
    stopped: list[str] = []
    if wanted.cancel:
        with front.connections.borrow() as store:  # an unknown point cancels nothing
            resolve(store, agent_id, session_id, at, read=False)
        stopped = stop_turns(front, agent_id, session_id)
    with front.connections.borrow() as store:
        done = restore(store, agent_id, session_id, at, wanted)
    front.intake.tell_finished(agent_id, session_id, done.cancelled)
    if done.token is not None:
        front.intake.order({"cancel": [agent_id, session_id], "token": done.token})
    front.intake.wake([Wake.of(agent_id, session_id, "chat")])
    document = {
        "interactionId": done.interaction_id,
        "sessionId": session_id,
        "at": done.point.interaction_id or at,
        "messageCount": done.point.messages,
        "cancelled": [*stopped, *(one.id for one, _ in done.cancelled)],
    }
    return json_response(document)


def _object(given: Any, known: set[str]) -> dict[str, Any]:
    body = json_object(given, optional=True)
    if unknown := set(body) - known:
        raise InvalidField(min(unknown), f"is not known here; known are {', '.join(sorted(known))}")
    return body
