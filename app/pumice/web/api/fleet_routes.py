"""`/v1/agents/<agent>/operations`: what is done to all sessions for which a condition holds."""

from flask import Blueprint, Response, request

from pumice.agents.names import UUID_FORM
from pumice.agents.operations import checked_flag, read_operation
from pumice.agents.spec import AgentSpec
from pumice.errors import InvalidField
from pumice.sessions import operations, queries
from pumice.sessions.staleness import refresh_stale
from pumice.web.http.front import Front
from pumice.web.http.managing import authorised, page_limit
from pumice.web.http.request_fields import json_object
from pumice.web.http.responses import json_response

SHOWN = 20
"""Ids that a dry run shows."""


def fleet_blueprint(front: Front) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("operations", __name__, url_prefix="/v1/agents/<agent_id>/operations")

    @blueprint.post("")
    def start(agent_id: str) -> Response:
        return _start(front, authorised(front, agent_id))

    @blueprint.get("")
    def list_(agent_id: str) -> Response:
        spec = authorised(front, agent_id)
        limit, before = page_limit(), request.args.get("cursor")
        if before is not None and not UUID_FORM.fullmatch(before):
            raise InvalidField("cursor", "must be the nextCursor of the page before")
        with front.connections.borrow() as store:
            found = operations.list_(store, spec.id, before=before, limit=limit)
        following = found[-1]["operationId"] if len(found) == limit else None
        return json_response({"operations": found, "nextCursor": following})

    @blueprint.get("/<operation_id>")
    def read(agent_id: str, operation_id: str) -> Response:
        spec = authorised(front, agent_id)
        with front.connections.borrow() as store:
            return json_response(operations.read(store, spec.id, operation_id))

    @blueprint.delete("/<operation_id>")
    def stop(agent_id: str, operation_id: str) -> Response:
        spec = authorised(front, agent_id)
        with front.connections.borrow() as store:
            return json_response(operations.stop(store, spec.id, operation_id))

    return blueprint


def _start(front: Front, spec: AgentSpec) -> Response:
    body = json_object(request)
    dry_run = checked_flag(body.pop("dryRun", None), "dryRun")
    new = read_operation(spec.cls, body)
    if new.condition.looks_at_state:
        with front.connections.borrow() as store:
            refresh_stale(store, spec.id)
    matched = queries.count_sessions(front.engine, spec.id, new.condition)
    if dry_run:
        rows = queries.list_sessions(front.engine, spec.id, after="", limit=SHOWN, where=new.condition)
        return json_response({"action": new.action, "matched": matched, "sessions": [row.id for row in rows]})
    with front.connections.borrow() as store:
        operation = operations.start(store, spec.id, new, matched)
        document = operations.read(store, spec.id, operation)
    return json_response(document, 202, {"Location": f"/v1/agents/{spec.id}/operations/{operation}"})
