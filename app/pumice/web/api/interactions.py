"""`GET /v1/interactions/<id>`: what became of an interaction."""

from flask import Blueprint, Response, request

from pumice.agents.context import is_uuid
from pumice.errors import UnknownInteraction
from pumice.sessions.queries import get_interaction
from pumice.web.api.documents import interaction_document
from pumice.web.http.front import Front
from pumice.web.http.request_fields import given_key
from pumice.web.http.responses import json_response
from pumice.web.http.tokens import given_token, token_session


def interactions_blueprint(front: Front) -> Blueprint:
    """The interaction routes."""
    blueprint = Blueprint("interactions", __name__)

    @blueprint.get("/v1/interactions/<interaction_id>")
    def show(interaction_id: str) -> Response:
        key = front.keys.check(given_key(request), request.remote_addr or "")
        row = get_interaction(front.engine, interaction_id, key.agent_id) if is_uuid(interaction_id) else None
        if row is None:
            raise UnknownInteraction
        only = token_session(front.settings, front.agent(key.agent_id), key, given_token(request))
        if only is not None and only != row.session_id:
            raise UnknownInteraction
        return json_response(interaction_document(row, secret=key.kind == "secret"))

    return blueprint
