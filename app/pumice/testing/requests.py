"""A webhook as a test writes it, made into the request that the front would make of it; and the answer."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from pumice.agents.deliveries import Handled
from pumice.agents.handlers import Hook
from pumice.agents.json_text import dumps, loads
from pumice.agents.requests import Request, decode_response
from pumice.agents.sources import Received, SecretsOf, Source
from pumice.errors import Problem
from pumice.sessions.finished import accepted_document
from pumice.settings import secrets_of
from pumice.testing.interactions import RecordedInteraction

HOST = "http://localhost"


@dataclass(frozen=True)
class Answer:
    """What a hook answered, as its caller sees it."""

    status: int
    headers: Headers
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @cached_property
    def json(self) -> Any:
        """The body parsed as JSON."""
        return loads(self.body)


def make_request(path: str, method: str, json: Any, data: Any, query: Any, headers: Any) -> Request:
    """The request of a webhook: `json` is its body, or `data`: text, bytes, or a mapping of form fields and files."""
    builder = EnvironBuilder(path=path, method=method, json=json, data=data, query_string=query, headers=headers)
    try:
        made = builder.get_request()
        payload = {
            "method": method,
            "path": made.full_path.rstrip("?"),
            "query": list(made.args.items(multi=True)),
            "headers": list(made.headers),
        }
        return Request.decode(payload, made.get_data(parse_form_data=False))
    finally:
        builder.close()


def as_sent(source: Source | None, request: Request, *, sign: bool | None) -> tuple[Received, SecretsOf]:
    """The request as its sender sends it, and where its hook finds the secrets.

    sign: whether it is signed, with a secret made for it; None: where the environment has no secret. What is signed and
    has no body and no query becomes a sample.
    """
    now = time.time()
    received = Received(request, HOST + request.path, now)
    is_signed_here = source is not None and sign is None and not source.secrets_from(secrets_of)
    if source is None or not (sign or is_signed_here):
        return received, secrets_of
    if not request.body and not request.query and request.method == "POST":
        request = source.sample.request(request.path, now)
    held, signing = source.scheme.new_secret()
    request = source.scheme.sign(Received(request, HOST + request.path, now), signing)
    return Received(request, HOST + request.path, now), lambda _variable: (held,)


def handled_answer(handled: Handled) -> Answer:
    """The answer to a request that runs no turn."""
    body, status, pairs = decode_response(handled.response.encode())
    return Answer(status, Headers(pairs), body)


def problem_answer(problem: Problem) -> Answer:
    """The answer to a request that is refused."""
    headers = Headers({"Content-Type": "application/problem+json"})
    return Answer(problem.status, headers, dumps(problem.document()))


def accepted_answer(hook: Hook, one: RecordedInteraction) -> Answer:
    """The answer of a hook that answers at once, and of one that is not finished when its caller stops waiting."""
    document = accepted_document(one.id, one.session_id)
    headers = {"Location": document["location"], "Retry-After": "1", "Content-Type": "application/json"}
    source = hook.source
    status = hook.accepted_status or (200 if source is not None and source.only_200 else 202)
    return Answer(status, Headers(headers), dumps(document))


def hook_answer(one: RecordedInteraction) -> Answer:
    """The answer of a hook that is done."""
    wire: Mapping[str, Any] = loads(one.result or "{}")
    body, status, pairs = decode_response(wire)
    return Answer(status, Headers([*pairs, ("X-Interaction-Id", one.id)]), body)
