"""`/openapi.json` says what the front does: its routes, and whatever requests are generated from it."""

import json
import re
import subprocess
import sys

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import booleans, one_of
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from pumice.web.api.operations import OPERATIONS
from tests.support.processes import ROOT

CHECKS = (not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance)
EXAMPLES = 25
ROUTES = """
import json
from pumice.settings import Settings
from pumice.web.factory import create_app
rules = create_app(Settings.from_env()).url_map.iter_rules()
print(json.dumps([[rule.rule, sorted(rule.methods or ())] for rule in rules if not rule.websocket]))
"""


@schemathesis.serializer("application/x-ndjson")
def ndjson(_context, value):
    return value.encode(errors="replace") if isinstance(value, str) else json.dumps(value).encode()


@pytest.fixture(scope="module")
def document(stack):
    return httpx.get(f"{stack.url}/openapi.json").json()


@pytest.fixture(scope="module")
def api(document):
    return schemathesis.openapi.from_dict(document)


@pytest.fixture(scope="module")
def known(stack):
    """A session and an interaction that exist."""
    answer = stack.agent("any").chat("hello", "s1").json()
    return {
        "agent": "any",
        "hook": "any",
        "job": "leap",
        "session": answer["sessionId"],
        "interaction": answer["interactionId"],
    }


def nodes(value):
    yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from nodes(one)


def test_its_paths_and_methods_are_the_routes(stack, document):
    done = subprocess.run(
        [sys.executable, "-c", ROUTES], env=stack.environ, cwd=ROOT, capture_output=True, text=True, check=True
    )
    routes = {
        (re.sub(r"<[^>]+>", "{}", rule), method.lower())
        for rule, methods in json.loads(done.stdout)
        for method in methods
        if method not in {"HEAD", "OPTIONS"}
    }
    documented = {(re.sub(r"{[^}]+}", "{}", path), verb) for path, verbs in document["paths"].items() for verb in verbs}
    assert documented == routes


def test_it_is_valid_and_its_references_lead_somewhere(api, document):
    api.validate()
    references = [node["$ref"] for node in nodes(document) if isinstance(node, dict) and "$ref" in node]
    assert references
    for reference in references:
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]


def test_each_operation_has_its_own_id_and_names_its_path_parameters(document):
    operations = [(path, one) for path, verbs in document["paths"].items() for one in verbs.values()]
    assert len({one["operationId"] for _, one in operations}) == len(operations)
    for path, one in operations:
        names = {reference["$ref"].rpartition("/")[2] for reference in one.get("parameters", [])}
        assert set(re.findall(r"{([^}]+)}", path)) <= names


FINITE = [(path, verb) for path, verbs in OPERATIONS.items() for verb in verbs if not path.endswith("}/events")]
"""The operations whose answers end."""


@pytest.mark.parametrize(("path", "method"), FINITE)
def test_generated_requests_get_answers_that_are_documented(api, stack, known, path, method):
    operation = api[path][method.upper()]
    fitting = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    wrong = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    call = {"base_url": stack.url, "headers": {"x-api-key": stack.keys["any"][1]}, "timeout": 30}

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=one_of(fitting, wrong), reaches=booleans())
    def answers(case, reaches):
        if reaches:
            case.path_parameters.update({name: known[name] for name in case.path_parameters if name in known})
        case.validate_response(case.call(**call), checks=CHECKS)

    answers()
