"""`/v1/agents/<agent>/canary`: the share of an agent's sessions that workers of another release run."""

from typing import Any

from flask import Blueprint, Response, request

from pumice.agents.operations import read_share
from pumice.agents.releases import PARTS
from pumice.sessions import canaries
from pumice.web.http.front import Front
from pumice.web.http.managing import authorised
from pumice.web.http.request_fields import json_object
from pumice.web.http.responses import json_response


def canary_blueprint(front: Front) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("canary", __name__, url_prefix="/v1/agents/<agent_id>/canary")

    @blueprint.put("")
    def start(agent_id: str) -> Response:
        spec = authorised(front, agent_id)
        share = read_share(json_object(request))
        with front.connections.borrow() as store:
            canaries.start(store, spec.id, share)
            return json_response(canary_document(canaries.read(store, spec.id)))

    @blueprint.get("")
    def read(agent_id: str) -> Response:
        spec = authorised(front, agent_id)
        with front.connections.borrow() as store:
            return json_response(canary_document(canaries.read(store, spec.id)))

    @blueprint.delete("")
    def stop(agent_id: str) -> Response:
        spec = authorised(front, agent_id)
        with front.connections.borrow() as store:
            canaries.stop(store, spec.id)
        return Response(status=204)

    return blueprint


def canary_document(row: canaries.Canary) -> dict[str, Any]:
    """A canary as clients see it."""
    return {
        "release": row.release,
        "percent": row.share * 100 / PARTS,
        "workers": row.workers,
        "createdAt": row.created_at.isoformat(),
    }
