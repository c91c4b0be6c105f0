"""`GET …/sessions/<id>/diff`: what changed in a session between two of its points."""

import json
from typing import Any

from flask import Blueprint, Response, request

from pumice.agents.json_patch import diff
from pumice.agents.spec import AgentSpec
from pumice.errors import InvalidField
from pumice.sessions.conversation import read_after
from pumice.sessions.differences import added_parts
from pumice.sessions.points import Point, resolve
from pumice.web.api.session_access import message_document
from pumice.web.http.front import Front
from pumice.web.http.managing import authorised, page_limit, page_number
from pumice.web.http.request_fields import given_point
from pumice.web.http.responses import json_response


def diff_blueprint(front: Front) -> Blueprint:
    """The route."""
    blueprint = Blueprint("diff", __name__, url_prefix="/v1/agents/<agent_id>/sessions/<session_id>")

    @blueprint.get("/diff")
    def show(agent_id: str, session_id: str) -> Response:
        spec = authorised(front, agent_id)
        before, after = given_point(request, "from"), given_point(request, "to")
        if before is None:
            raise InvalidField("from", "is required: an interaction's id or a snapshot's name")
        limit, cursor = page_limit(), page_number("cursor", -1, 2**31 - 1)
        with front.connections.borrow() as store:
            old = resolve(store, spec.id, session_id, before)
            new = resolve(store, spec.id, session_id, after)
            parts = added_parts(old, new)
            rows = read_after(store, spec.id, new.session_id, parts, after=cursor, limit=limit)
        document: dict[str, Any] = {
            "from": before,
            "to": after,
            "state": diff(_state(spec, old), _state(spec, new)),
            "messages": [message_document(row) for row in rows],
            "nextCursor": str(rows[-1].seq) if len(rows) == limit else None,
        }
        return json_response(document)

    return blueprint


def _state(spec: AgentSpec, point: Point) -> Any:
    """A state, as it is shown: before the first turn, that of a new session."""
    return spec.cls.State().model_dump(mode="json") if point.state is None else json.loads(point.state)
