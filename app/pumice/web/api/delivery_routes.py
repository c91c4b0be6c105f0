"""`/v1/agents/<agent>/deliveries`: what hooks received, refused requests included, and having it run again."""

from flask import Blueprint, Response, request

from pumice.agents.context import is_uuid
from pumice.agents.spec import AgentSpec
from pumice.errors import InvalidField, UnknownDelivery
from pumice.sessions.deliveries import Delivery, list_deliveries, read_delivery
from pumice.sessions.delivery_documents import FILTERS, delivery_document, full_document, wanted_of
from pumice.web.api.delivery_replay import Replayer
from pumice.web.http.front import Front
from pumice.web.http.managing import authorised, page_limit
from pumice.web.http.request_fields import json_object
from pumice.web.http.responses import json_response


def delivery_blueprint(front: Front) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("deliveries", __name__, url_prefix="/v1/agents/<agent_id>/deliveries")
    replayer = Replayer(front)

    @blueprint.get("")
    def list_(agent_id: str) -> Response:
        spec = authorised(front, agent_id)
        limit, before = page_limit(), request.args.get("cursor")
        if before is not None and not is_uuid(before):
            raise InvalidField("cursor", "must be the nextCursor of the page before")
        with front.connections.borrow() as store:
            found, following = list_deliveries(store, wanted_of(spec, request.args), before=before, limit=limit)
        return json_response({"deliveries": [delivery_document(one) for one in found], "nextCursor": following})

    @blueprint.get("/<delivery_id>")
    def read(agent_id: str, delivery_id: str) -> Response:
        spec = authorised(front, agent_id)
        return json_response(full_document(spec, _read(front, spec, delivery_id)))

    @blueprint.post("/<delivery_id>/replay")
    def replay(agent_id: str, delivery_id: str) -> Response:
        spec = authorised(front, agent_id)
        new = replayer.replay(spec, _read(front, spec, delivery_id))
        return json_response(new, 202, {"Location": f"/v1/interactions/{new['interactionId']}"})

    @blueprint.post("/replay")
    def replay_many(agent_id: str) -> Response:
        spec = authorised(front, agent_id)
        body = json_object(request)
        if unknown := set(body) - {*FILTERS, "cursor"}:  # a misspelt filter would let through all
            raise InvalidField(min(unknown), f"is no filter; they are {', '.join(FILTERS)}")
        cursor = body.pop("cursor", None)
        if cursor is not None and not (isinstance(cursor, str) and is_uuid(cursor)):
            raise InvalidField("cursor", "must be the nextCursor of the answer before")
        return json_response(replayer.replay_page(spec, wanted_of(spec, body), cursor), 202)

    return blueprint


def _read(front: Front, spec: AgentSpec, delivery_id: str) -> Delivery:
    with front.connections.borrow() as store:
        found = read_delivery(store, spec.id, delivery_id) if is_uuid(delivery_id) else None
    if found is None:
        raise UnknownDelivery
    return found
