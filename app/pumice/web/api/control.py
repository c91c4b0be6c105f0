"""What operators do: cancel a session's turns; list, retry and discard the interactions that were given up."""

from typing import Any

from flask import Blueprint, Response, request

from pumice.agents.context import is_uuid
from pumice.errors import InvalidField, UnknownInteraction
from pumice.messaging.wakes import QUEUE_OF_KIND, Wake
from pumice.sessions import given_up as dead
from pumice.web.api.documents import interaction_document
from pumice.web.http.front import Front
from pumice.web.http.managing import LAST_SEQ, authorised, page_limit, page_number
from pumice.web.http.request_fields import either, json_object
from pumice.web.http.responses import json_response
from pumice.web.http.stopping_turns import stop_turns

FILTERS = {"status", "kind", "name", "sessionId", "session_id"}


def control_blueprint(front: Front) -> Blueprint:
    """The control routes."""
    blueprint = Blueprint("control", __name__, url_prefix="/v1/agents/<agent_id>")

    @blueprint.post("/sessions/<session_id>/cancel")
    def cancel_turns(agent_id: str, session_id: str) -> Response:
        spec = authorised(front, agent_id)
        queued = json_object(request, optional=True).get("queued", False)
        if not isinstance(queued, bool):
            raise InvalidField("queued", "must be true or false")
        return json_response({"cancelled": stop_turns(front, spec.id, session_id, queued=queued)})

    @blueprint.get("/interactions")
    def given_up(agent_id: str) -> Response:
        spec = authorised(front, agent_id)
        limit, after = page_limit(), page_number("cursor", 0, LAST_SEQ)
        rows = dead.list_given_up(front.engine, spec.id, _filter(request.args, None), after=after, limit=limit)
        following = str(rows[-1].seq) if len(rows) == limit else None
        shown = [interaction_document(row, secret=True) for row in rows]
        return json_response({"interactions": shown, "nextCursor": following})

    @blueprint.post("/interactions/<action>")
    def act_on_many(agent_id: str, action: str) -> Response:
        spec = authorised(front, agent_id)
        body = json_object(request)
        if unknown := set(body) - FILTERS:  # a misspelt filter would let through all that it was to keep out
            raise InvalidField(min(unknown), f"is no filter; they are {', '.join(sorted(FILTERS))}")
        return _act(front, spec.id, action, _filter(body, None))

    @blueprint.post("/interactions/<interaction_id>/<action>")
    def act_on_one(agent_id: str, interaction_id: str, action: str) -> Response:
        spec = authorised(front, agent_id)
        if not is_uuid(interaction_id):
            raise UnknownInteraction
        return _act(front, spec.id, action, dead.Filter(interaction_id=interaction_id))

    return blueprint


def _act(front: Front, agent_id: str, action: str, wanted: dead.Filter) -> Response:
    if action == "retry":
        rows = dead.retry(front.engine, agent_id, wanted)
        front.intake.wake(Wake.of(agent_id, row.session_id, row.kind) for row in rows)
    elif action == "discard":
        rows = dead.discard(front.engine, agent_id, wanted)
    else:
        raise InvalidField("action", "must be retry or discard")
    if wanted.interaction_id is not None and not rows:
        raise UnknownInteraction("There is no such interaction among the dead and the failed.")
    return json_response({"interactions": [str(row.id) for row in rows]})


def _filter(source: Any, interaction_id: str | None) -> dead.Filter:
    """The filter in a query or a body. Raises `InvalidField`."""
    status, kind = source.get("status"), source.get("kind")
    name, session_id = source.get("name"), either(source, "sessionId", "session_id")
    if status is not None and status not in dead.GIVEN_UP:
        raise InvalidField("status", f"must be {' or '.join(dead.GIVEN_UP)}")
    if kind is not None and kind not in list(QUEUE_OF_KIND):
        raise InvalidField("kind", f"must be one of {', '.join(QUEUE_OF_KIND)}")
    for field, value in (("name", name), ("sessionId", session_id)):
        if value is not None and (not isinstance(value, str) or "\x00" in value):
            raise InvalidField(field, "must be a string without NUL characters")
    return dead.Filter(status, kind, name, session_id, interaction_id)
