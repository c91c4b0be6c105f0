"""`/v1/agents/<agent>/sessions/<id>/schedules`: what a session is to do later."""

from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, request

from pumice.agents.names import RESERVED_PREFIX
from pumice.errors import InvalidField, UnknownSession
from pumice.sessions import schedules
from pumice.web.api.schedule_requests import read_schedule
from pumice.web.api.sessions import read_session
from pumice.web.http.front import Front
from pumice.web.http.managing import authorised, page_limit
from pumice.web.http.request_fields import json_object
from pumice.web.http.responses import json_response


def schedules_blueprint(front: Front) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("schedules", __name__, url_prefix="/v1/agents/<agent_id>/sessions/<session_id>/schedules")

    @blueprint.get("")
    def list_(agent_id: str, session_id: str) -> Response:
        spec = authorised(front, agent_id)
        read_session(front, spec, session_id)
        limit, after = page_limit(), request.args.get("cursor", "")
        if "\x00" in after:
            raise InvalidField("cursor", "must not hold NUL characters")
        with front.connections.borrow() as store:
            rows = schedules.list_(store, spec.id, session_id, after=after, limit=limit)
        following = rows[-1].place if len(rows) == limit else None
        return json_response({"schedules": [row.encode() for row in rows], "nextCursor": following})

    @blueprint.get("/<key>")
    def read(agent_id: str, session_id: str, key: str) -> Response:
        spec = authorised(front, agent_id)
        read_session(front, spec, session_id)
        return json_response(_shown(front, spec.id, session_id, key))

    @blueprint.put("/<key>")
    def put(agent_id: str, session_id: str, key: str) -> Response:
        spec = authorised(front, agent_id)
        new = read_schedule(spec, key, json_object(request))
        if session_id.startswith(RESERVED_PREFIX):
            raise UnknownSession
        with front.connections.borrow() as store:
            is_new = schedules.put(store, spec.id, session_id, new)
        path = f"/v1/agents/{spec.id}/sessions/{quote(session_id, safe='')}/schedules/{quote(key, safe='')}"
        return json_response(
            _shown(front, spec.id, session_id, key), 201 if is_new else 200, {"Location": path} if is_new else {}
        )

    @blueprint.delete("/<key>")
    def remove(agent_id: str, session_id: str, key: str) -> Response:
        spec = authorised(front, agent_id)
        with front.connections.borrow() as store:
            schedules.delete(store, spec.id, session_id, key)
        return Response(status=204)

    return blueprint


def _shown(front: Front, agent_id: str, session_id: str, key: str) -> dict[str, Any]:
    with front.connections.borrow() as store:
        return schedules.read(store, agent_id, session_id, key).encode()
