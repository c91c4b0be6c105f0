"""`/v1/agents/<agent>/sessions…`: managing sessions with a secret key."""

from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, request

from pumice.agents.body_text import parse_json
from pumice.agents.conditions import Condition, read_condition
from pumice.agents.names import checked_session_id, is_temporary_id
from pumice.agents.scheduling import checked_timezone
from pumice.agents.session_lines import METADATA_LIMIT
from pumice.agents.spec import AgentSpec
from pumice.errors import Conflict, InvalidField, Malformed, UnknownSession
from pumice.sessions import queries, schedules
from pumice.sessions.accept import temporary_session_id
from pumice.sessions.points import resolve
from pumice.sessions.staleness import refresh_stale
from pumice.web.api.documents import interaction_document, point_document, session_document
from pumice.web.http.front import Front
from pumice.web.http.managing import LAST_SEQ, authorised, page_limit, page_number
from pumice.web.http.request_fields import checked, either, given_point, json_object
from pumice.web.http.responses import json_response


def sessions_blueprint(front: Front) -> Blueprint:
    """The session routes."""
    blueprint = Blueprint("sessions", __name__, url_prefix="/v1/agents/<agent_id>/sessions")

    @blueprint.get("")
    def list_(agent_id: str) -> Response:
        spec = authorised(front, agent_id)
        limit, after = page_limit(), request.args.get("cursor", "")
        if "\x00" in after:
            raise InvalidField("cursor", "must not hold NUL characters")
        where = asked_condition(front, spec)
        rows = queries.list_sessions(front.engine, spec.id, after=after, limit=limit, where=where)
        following = rows[-1].id if len(rows) == limit else None
        document = {"sessions": [session_document(spec, row) for row in rows], "nextCursor": following}
        if request.args.get("count") == "true":
            document["count"] = queries.count_sessions(front.engine, spec.id, where)
        return json_response(document)

    @blueprint.post("")
    def create(agent_id: str) -> Response:
        spec = authorised(front, agent_id)
        body = json_object(request)
        wanted = either(body, "sessionId", "session_id")
        session_id = temporary_session_id().replace("tmp-", "ses-") if wanted is None else checked_session_id(wanted)
        if is_temporary_id(session_id):
            raise InvalidField("sessionId", "is a temporary session's, which is made by what arrives for it")
        if not queries.create_session(front.engine, spec.id, session_id, checked_metadata(body.get("metadata", {}))):
            message = f"There is a session {session_id!r} already."
            raise Conflict(message)
        location = {"Location": f"/v1/agents/{spec.id}/sessions/{quote(session_id, safe='')}"}
        return json_response(read_session(front, spec, session_id), 201, location)

    @blueprint.get("/<session_id>")
    def read(agent_id: str, session_id: str) -> Response:
        spec = authorised(front, agent_id)
        at = given_point(request, "at")
        document = read_session(front, spec, session_id)
        if at is None:
            return json_response(document)
        with front.connections.borrow() as store:
            return json_response(document | point_document(spec, resolve(store, spec.id, session_id, at)))

    @blueprint.patch("/<session_id>")
    def change(agent_id: str, session_id: str) -> Response:
        spec = authorised(front, agent_id)
        body = json_object(request)
        if unknown := set(body) - {"metadata", "timezone"}:
            raise InvalidField(min(unknown), "can't be changed; only metadata and timezone can")
        _change(front, spec.id, session_id, body)
        return json_response(read_session(front, spec, session_id))

    @blueprint.get("/<session_id>/interactions")
    def interactions(agent_id: str, session_id: str) -> Response:
        spec = authorised(front, agent_id)
        read_session(front, spec, session_id)
        limit, after = page_limit(), page_number("cursor", 0, LAST_SEQ)
        rows = queries.list_interactions(front.engine, spec.id, session_id, after=after, limit=limit)
        following = str(rows[-1].seq) if len(rows) == limit else None
        shown = [interaction_document(row, secret=True) for row in rows]
        return json_response({"interactions": shown, "nextCursor": following})

    return blueprint


def _change(front: Front, agent_id: str, session_id: str, body: dict[str, Any]) -> None:
    """Change what the body names. Raises `InvalidField` before anything is changed, `UnknownSession`."""
    zone = body.get("timezone")
    if zone is not None:
        zone = checked(checked_timezone, zone, "timezone")
    if "metadata" in body or "timezone" not in body:
        metadata = checked_metadata(body.get("metadata"))
        if not queries.set_metadata(front.engine, agent_id, session_id, metadata):
            raise UnknownSession
    if "timezone" in body:
        with front.connections.borrow() as store:
            schedules.move(store, agent_id, session_id, zone)


def read_session(front: Front, spec: AgentSpec, session_id: str) -> dict[str, Any]:
    """A session as clients see it. Raises `UnknownSession`."""
    row = None if "\x00" in session_id else queries.get_session(front.engine, spec.id, session_id)
    if row is None:
        raise UnknownSession
    return session_document(spec, row)


def checked_metadata(value: Any) -> dict[str, Any]:
    """The value as a session's metadata. Raises `InvalidField`."""
    if not isinstance(value, dict):
        raise InvalidField("metadata", "must be a JSON object")
    text = json_response(value).get_data()
    if len(text) > METADATA_LIMIT:
        raise InvalidField("metadata", f"must not be larger than {METADATA_LIMIT} bytes")
    if b"\\u0000" in text:
        raise InvalidField("metadata", "must not hold NUL characters")
    return value


def asked_condition(front: Front, spec: AgentSpec) -> Condition | None:
    """The condition in the query. Raises `InvalidField`."""
    text = request.args.get("where")
    if text is None:
        return None
    try:
        given = parse_json(text.encode())
    except Malformed as error:
        raise InvalidField("where", str(error)) from None
    return checked_condition(front, spec, given)


def checked_condition(front: Front, spec: AgentSpec, given: Any) -> Condition:
    """A condition, with states brought up to date if it looks at them. Raises `InvalidField`."""
    condition = read_condition(spec.cls.State, given)
    if condition.looks_at_state:
        with front.connections.borrow() as store:
            refresh_stale(store, spec.id)
    return condition
