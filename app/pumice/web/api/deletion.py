"""`DELETE /v1/agents/<agent>/sessions/<id>`: a session goes, or every trace of it."""

from typing import Any

from flask import Blueprint, Response, request

from pumice.agents.spec import AgentSpec
from pumice.errors import InvalidField, UnknownSession
from pumice.sessions.deletion import Deleted, delete_session
from pumice.sessions.erasure import erase
from pumice.web.http.front import Front
from pumice.web.http.managing import authorised
from pumice.web.http.responses import json_response

DELETED = "This session was deleted."


def deletion_blueprint(front: Front) -> Blueprint:
    """The route."""
    blueprint = Blueprint("deletion", __name__, url_prefix="/v1/agents/<agent_id>/sessions")

    @blueprint.delete("/<session_id>")
    def remove(agent_id: str, session_id: str) -> Response:
        spec = authorised(front, agent_id)
        if _flag("erase"):
            return json_response(_erase(front, spec, session_id, forks=_flag("forks")))
        if _flag("forks"):
            raise InvalidField("forks", "goes with erase=true: a deletion leaves forks whole")
        _delete(front, spec, session_id)
        return Response(status=204)

    return blueprint


def _delete(front: Front, spec: AgentSpec, session_id: str) -> None:
    """Delete a session and tell everybody who waits for it or watches it. Raises `UnknownSession`."""
    found = False
    with front.connections.borrow() as store:
        for step in () if "\x00" in session_id else delete_session(store, spec.id, session_id):
            found = True
            _tell(front, spec, session_id, step)
    if not found:
        raise UnknownSession
    _tell_gone(front, spec, session_id)


def _erase(front: Front, spec: AgentSpec, session_id: str, *, forks: bool) -> dict[str, Any]:
    """Erase a session, tell everybody who waits for it or watches it, and forget its events."""

    def tell(erased: str, step: Deleted) -> None:
        _tell(front, spec, erased, step)
        if step.over:
            _tell_gone(front, spec, erased)
            front.intake.forget(spec.id, erased)

    try:
        with front.connections.borrow() as store:
            gone = erase(store, spec.id, session_id, forks=forks, tell=tell)
    except UnknownSession:
        front.intake.forget(spec.id, session_id)  # what an erasure left that was interrupted
        raise
    for one in gone["sessions"]:
        front.intake.forget(spec.id, one)
    return gone


def _tell(front: Front, spec: AgentSpec, session_id: str, step: Deleted) -> None:
    front.intake.tell_finished(spec.id, session_id, step.interactions)
    if step.token is not None:
        front.intake.order({"cancel": [spec.id, session_id], "token": step.token})


def _tell_gone(front: Front, spec: AgentSpec, session_id: str) -> None:
    front.intake.tell(spec.id, session_id, {"type": "error", "error": UnknownSession(DELETED).document()})


def _flag(name: str) -> bool:
    """A flag in the query. Raises `InvalidField`."""
    value = request.args.get(name, "false")
    if value not in {"true", "false"}:
        raise InvalidField(name, "must be true or false")
    return value == "true"
