"""`GET /openapi.json`: the HTTP interface as OpenAPI 3.1, and the WebSockets beside it as `x-websockets`."""

from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from flask import Blueprint, Response

from pumice.errors import InvalidField, Problem
from pumice.sessions.finished import ForwardedProblem
from pumice.web.api.frames import WEBSOCKETS
from pumice.web.api.operations import OPERATIONS
from pumice.web.api.parameters import KEY_SCHEMES, PARAMETERS
from pumice.web.api.schema import Schema, ref
from pumice.web.api.schemas import SCHEMAS
from pumice.web.http.front import Front
from pumice.web.http.responses import json_response


def openapi_blueprint(_front: Front) -> Blueprint:
    """The document's route."""
    blueprint = Blueprint("openapi", __name__)
    document = openapi_document()

    @blueprint.get("/openapi.json")
    def openapi() -> Response:
        return json_response(document)

    return blueprint


def openapi_document() -> Schema:
    """The document, ready for JSON."""
    operations = OPERATIONS.items()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Pumice",
            "version": version("pumice"),
            "summary": "Stateful agent sessions: chat, webhooks, WebSockets",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {path: {verb: one.document() for verb, one in verbs.items()} for path, verbs in operations},
        "components": {
            "schemas": SCHEMAS,
            "parameters": PARAMETERS,
            "responses": dict(_problem_responses()),
            "securitySchemes": KEY_SCHEMES,
        },
        "x-websockets": WEBSOCKETS,
    }


def _problem_responses() -> Iterable[tuple[str, Schema]]:
    """A response for each status that a problem may have, with an example of each type."""
    kinds: dict[int, dict[str, type[Problem]]] = {}
    for kind in _kinds(Problem):
        if kind is not ForwardedProblem:
            kinds.setdefault(kind.status, {}).setdefault(kind.slug, kind)
    for status, found in sorted(kinds.items()):
        examples = {slug: {"value": _example(kind)} for slug, kind in found.items()}
        content = {"application/problem+json": {"schema": ref("Problem"), "examples": examples}}
        description = f"{HTTPStatus(status).phrase}: {', '.join(found)}"
        headers = (
            {"Retry-After": {"schema": {"type": "string"}, "description": "Seconds"}} if status in {429, 503} else {}
        )
        yield f"Problem{status}", {"description": description, "headers": headers, "content": content}


def _kinds(parent: type[Problem]) -> list[type[Problem]]:
    return [kind for child in parent.__subclasses__() for kind in (child, *_kinds(child))]


def _example(kind: type[Problem]) -> dict[str, Any]:
    problem = InvalidField("messages", "is required") if kind is InvalidField else kind()
    return problem.document()
