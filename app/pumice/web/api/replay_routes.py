"""`/v1/agents/<agent>/replays`: what was recorded, run again on today's code."""

from typing import Any

from flask import Blueprint, Response, request

from pumice.agents.names import UUID_FORM
from pumice.agents.operations import checked_choice
from pumice.agents.releases import checked_release
from pumice.agents.spec import AgentSpec
from pumice.errors import InvalidField
from pumice.sessions import queries, replays
from pumice.web.api.sessions import checked_condition
from pumice.web.http.front import Front
from pumice.web.http.managing import authorised, page_limit
from pumice.web.http.request_fields import json_object
from pumice.web.http.responses import json_response

MOST = 1_000
"""Sessions of one replay."""
LONGEST_ID = 1_024


def replay_blueprint(front: Front) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("replays", __name__, url_prefix="/v1/agents/<agent_id>/replays")

    @blueprint.post("")
    def start(agent_id: str) -> Response:
        spec = authorised(front, agent_id)
        new = _wanted(front, spec, json_object(request))
        with front.connections.borrow() as store:
            replay = replays.start(store, spec.id, new)
        location = f"/v1/agents/{spec.id}/replays/{replay}"
        return json_response({"replayId": replay, "status": "running"}, 202, {"Location": location})

    @blueprint.get("")
    def list_(agent_id: str) -> Response:
        spec = authorised(front, agent_id)
        limit, before = page_limit(), request.args.get("cursor")
        if before is not None and not UUID_FORM.fullmatch(before):
            raise InvalidField("cursor", "must be the nextCursor of the page before")
        with front.connections.borrow() as store:
            found = replays.list_(store, spec.id, before=before, limit=limit)
        following = found[-1]["replayId"] if len(found) == limit else None
        return json_response({"replays": found, "nextCursor": following})

    @blueprint.get("/<replay_id>")
    def read(agent_id: str, replay_id: str) -> Response:
        spec = authorised(front, agent_id)
        with front.connections.borrow() as store:
            return json_response(replays.report(store, spec.id, replay_id))

    @blueprint.post("/<replay_id>/stop")
    def stop(agent_id: str, replay_id: str) -> Response:
        spec = authorised(front, agent_id)
        with front.connections.borrow() as store:
            return json_response(replays.stop(store, spec.id, replay_id))

    return blueprint


def _wanted(front: Front, spec: AgentSpec, body: dict[str, Any]) -> replays.NewReplay:
    """What a body asks for. Raises `InvalidField`."""
    for name in body:
        if name not in {"sessions", "where", "sample", "from", "model", "baseline", "candidate"}:
            raise InvalidField(name, "is not known here; name the sessions, or give a condition or a sample's size")
    sessions, sample = _sessions(body), _sample(body)
    if body.get("where") is not None:
        if sessions:
            raise InvalidField("where", "can't stand beside sessions")
        sessions, sample = _picked(front, spec, body["where"], sample), None
    new = replays.NewReplay(
        sessions, sample, _after(body), _model(body), _release(body, "baseline"),
        _release(body, "candidate"),
    )  # fmt: skip
    if not new.sessions and new.sample is None:
        raise InvalidField("sessions", "is required, unless sample says how many to take")
    return new


def _picked(front: Front, spec: AgentSpec, where: Any, sample: int | None) -> tuple[str, ...]:
    """The sessions for which a condition holds; of many, a sample. Raises `InvalidField` when there are none."""
    condition = checked_condition(front, spec, where)
    found = queries.pick_sessions(front.engine, spec.id, condition, limit=sample or MOST)
    if not found:
        raise InvalidField("where", "holds for no session")
    return tuple(found)


def _sessions(body: dict[str, Any]) -> tuple[str, ...]:
    given = body.get("sessions")
    if given is None:
        return ()
    if not isinstance(given, list) or not 0 < len(given) <= MOST or not all(_is_id(one) for one in given):
        raise InvalidField("sessions", f"must be a list of 1 to {MOST} session ids")
    return tuple(given)


def _sample(body: dict[str, Any]) -> int | None:
    given = body.get("sample")
    if given is None:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or not 0 < given <= MOST:
        raise InvalidField("sample", f"must be a whole number from 1 to {MOST}")
    return given


def _release(body: dict[str, Any], name: str) -> str | None:
    return None if body.get(name) is None else checked_release(body[name], name)


def _model(body: dict[str, Any]) -> str:
    return checked_choice(body.get("model", "recorded"), "model", ("recorded", "live"))


def _after(body: dict[str, Any]) -> str | None:
    given = body.get("from")
    if given is not None and not _is_id(given):
        raise InvalidField("from", "must be an interaction's id or a snapshot's name")
    return None if given is None else str(given)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_ID and "\x00" not in value
