"""`/v1/agents/<agent>/jobs`: what runs when, pausing and running it, and what became of it."""

from typing import Any

from flask import Blueprint, Response, request

from pumice.agents.job_times import checked_time
from pumice.agents.names import checked_session_id
from pumice.agents.spec import AgentSpec
from pumice.errors import InvalidField, UnknownJob
from pumice.messaging.wakes import Wake
from pumice.sessions import job_runs
from pumice.sessions.job_documents import job_document, job_documents, tick_document
from pumice.sessions.job_explain import explain as tell
from pumice.sessions.job_facts import Question, asked_session
from pumice.sessions.job_pauses import pause as pause_job
from pumice.sessions.job_pauses import resume as resume_job
from pumice.sessions.job_rows import list_ticks, read_job_memory
from pumice.web.http.front import Front
from pumice.web.http.managing import authorised, page_limit
from pumice.web.http.request_fields import either, json_object
from pumice.web.http.responses import json_response


def job_blueprint(front: Front) -> Blueprint:
    """The routes."""
    blueprint = Blueprint("jobs", __name__, url_prefix="/v1/agents/<agent_id>/jobs")
    _control_routes(blueprint, front)
    _reading_routes(blueprint, front)
    return blueprint


def _control_routes(blueprint: Blueprint, front: Front) -> None:
    @blueprint.post("/<job>/run")
    def run(agent_id: str, job: str) -> Response:
        spec = authorised(front, agent_id)
        body = _fields(optional=True, known=("sessionId", "session_id"))
        session = either(body, "sessionId", "session_id")
        return json_response(_run(front, spec, job, session), 202)

    @blueprint.post("/<job>/pause")
    def pause(agent_id: str, job: str) -> Response:
        spec = authorised(front, agent_id)
        _fields(optional=True, known=())
        with front.connections.borrow() as store:
            pause_job(store, spec.id, job, spec.jobs.get(job))
            return json_response(job_document(store, spec.id, spec.jobs, job))

    @blueprint.post("/<job>/resume")
    def resume(agent_id: str, job: str) -> Response:
        spec = authorised(front, agent_id)
        _fields(optional=True, known=())
        with front.connections.borrow() as store:
            resume_job(store, spec.id, job, spec.jobs.get(job))
            return json_response(job_document(store, spec.id, spec.jobs, job))

    @blueprint.post("/<job>/backfill")
    def backfill(agent_id: str, job: str) -> Response:
        spec = authorised(front, agent_id)
        body = _fields(optional=False, known=("from", "to"))
        first, last = (checked_time(body.get(name), name) for name in ("from", "to"))
        with front.connections.borrow() as store:
            made = job_runs.backfill(store, spec.id, job, spec.jobs.get(job), first, last)
        bounds = {"from": first.isoformat(), "to": last.isoformat()}
        return json_response({**bounds, "ticks": made.ticks, "existing": made.existing}, 202)


def _reading_routes(blueprint: Blueprint, front: Front) -> None:
    @blueprint.get("")
    def list_(agent_id: str) -> Response:
        spec = authorised(front, agent_id)
        with front.connections.borrow() as store:
            return json_response({"jobs": job_documents(store, spec.id, spec.jobs)})

    @blueprint.get("/<job>/ticks")
    def ticks(agent_id: str, job: str) -> Response:
        spec = authorised(front, agent_id)
        limit, cursor = page_limit(), request.args.get("cursor")
        before = None if cursor is None else checked_time(cursor, "cursor")
        with front.connections.borrow() as store:
            if job not in spec.jobs and read_job_memory(store, spec.id, job) is None:
                raise UnknownJob
            found = list_ticks(store, spec.id, job, before=before, limit=limit)
        following = found[-1].scheduled_for.isoformat() if len(found) == limit else None
        return json_response({"ticks": [tick_document(one) for one in found], "nextCursor": following})

    @blueprint.get("/<job>/explain")
    def explain(agent_id: str, job: str) -> Response:
        spec = authorised(front, agent_id)
        given = either(request.args, "sessionId", "session_id")
        session_id = asked_session(spec.jobs.get(job), job, given)
        at = checked_time(request.args.get("at"), "at")
        retention = front.settings.retention_days * 86_400
        question = Question(spec.id, job, spec.jobs.get(job), session_id, at, retention)
        with front.connections.borrow() as store:
            return json_response(tell(store, question).document())


def _run(front: Front, spec: AgentSpec, job: str, session: Any) -> dict[str, Any]:
    """Have a job run now, in all sessions or in one. Returns what was made."""
    declared = spec.jobs.get(job)
    if session is None:
        with front.connections.borrow() as store:
            at = job_runs.run_everywhere(store, spec.id, job, declared)
        front.intake.fan_out(spec.id, job, at)
        return {"scheduledFor": at.isoformat(), "sessionId": None, "interactionId": None}
    session_id = checked_session_id(session)
    with front.connections.borrow() as store:
        made = job_runs.run_in_session(store, spec.id, job, declared, session_id)
    front.intake.wake([Wake.of(spec.id, session_id, "job")])
    return {
        "scheduledFor": made.scheduled_for.isoformat(),
        "sessionId": session_id,
        "interactionId": made.interaction_id,
    }


def _fields(*, optional: bool, known: tuple[str, ...]) -> dict[str, Any]:
    """The body, which has no other fields than these. Raises `InvalidField`."""
    body = json_object(request, optional=optional)
    if unknown := set(body) - set(known):
        raise InvalidField(min(unknown), f"is not known; known are {', '.join(known) or 'none'}")
    return body
