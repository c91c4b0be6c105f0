"""Sending to hooks as senders do, and having deliveries replayed."""

import http.client
import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from pumice.agents.requests import Request
from pumice.agents.sources import Received, SecretError, Source, with_event
from pumice.agents.spec import AgentSpec
from pumice.cli.failing import Failed, one_line
from pumice.cli.instance import Front
from pumice.cli.output import clean
from pumice.dev.samples import sample
from pumice.settings import secrets_of

AT_ONCE = 16
TIMEOUT = 40.0


@dataclass(frozen=True)
class Answer:
    """What a hook answered."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def well(self) -> bool:
        """Whether a sender takes it for a success."""
        return 200 <= self.status < 300  # noqa: PLR2004 (RFC 9110)


class Trigger:
    """Requests to one hook. Raises `Failed` for an unknown hook, and where nothing can be signed."""

    def __init__(  # noqa: PLR0913 (what a request is made of)
        self,
        spec: AgentSpec,
        hook: str,
        url: str,
        public_url: str,
        *,
        session: str,
        event: str | None,
        data: Path | None,
    ) -> None:
        group = spec.addresses.get(hook)
        if not group:
            raise Failed(clean(f"pumice: {spec.id} has no hook {hook!r}: it has {', '.join(spec.addresses) or 'none'}"))
        self._hook, self._url, self._public_url = group[0], url, public_url or url
        self._path = f"/v1/agents/{spec.id}/hooks/{hook}"
        self._event = event
        self._data = None if data is None else data.read_bytes()
        self._sample = sample(spec, hook, group[0], session)
        self._secret = _signing_secret(group[0].source)

    def send(self) -> Answer:
        """Send one. Raises `Failed` when the front can't be reached."""
        request = self._made()
        at = urlsplit(self._url)
        kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
        connection = kind(at.hostname or "", at.port, timeout=TIMEOUT)
        try:
            connection.request(request.method, request.path, request.body or None, dict(request.headers))
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read().decode(errors="replace"))
        except OSError as error:
            raise Failed(f"pumice: {self._url} can't be reached: {one_line(error)}") from None
        finally:
            connection.close()

    def send_many(self, count: int) -> Iterator[Answer]:
        """Send so many, each with an id of its own, a few at once."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield from pool.map(lambda _: self.send(), range(count))

    def _made(self) -> Request:
        now, source = time.time(), self._hook.source
        request = self._sample.request(self._path, now, str(uuid.uuid4()))
        if self._event is not None:
            request = with_event(source, request, self._event)
        if self._data is not None:
            request = Request(request.method, request.path, request.query, request.headers, self._data)
        if source is None:
            return request
        try:
            return source.scheme.sign(Received(request, self._public_url + request.path, now), self._secret)
        except SecretError as error:
            raise Failed(f"pumice: {', '.join(source.secrets)}: {error}") from None


def _signing_secret(source: Source | None) -> str:
    if source is None or not source.secrets:
        return ""
    found = source.secrets_from(secrets_of)
    if not found:
        raise Failed(f"pumice: {', '.join(source.secrets)} is missing or empty, so that nothing can be signed")
    return found[0]


def replay_deliveries(front: Front, agent: str, delivery: str | None, filters: Mapping[str, str]) -> dict[str, Any]:
    """Have one delivery run again, or all that the filters pick. Raises `Failed`."""
    base = f"/v1/agents/{agent}/deliveries"
    if delivery is not None:
        return {"replayed": [_post(front, f"{base}/{delivery}/replay", {})], "problems": [], "leftOut": 0}
    found: dict[str, Any] = {"replayed": [], "problems": [], "leftOut": 0}
    cursor = None
    while True:
        page = _post(front, f"{base}/replay", {**filters, "cursor": cursor})
        found["replayed"] += page["replayed"]
        found["problems"] += page["problems"]
        found["leftOut"] += page["leftOut"]
        cursor = page["nextCursor"]
        if cursor is None:
            return found


def _post(front: Front, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    at = urlsplit(front.url)
    kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    connection = kind(at.hostname or "", at.port, timeout=TIMEOUT)
    try:
        headers = {"x-api-key": front.key, "content-type": "application/json"}
        connection.request("POST", path, orjson.dumps(body), headers)
        answer = connection.getresponse()
        value: dict[str, Any] = orjson.loads(answer.read() or b"{}")
    except (OSError, orjson.JSONDecodeError) as error:
        raise Failed(f"pumice: {front.url} can't be reached: {one_line(error)}") from None
    finally:
        connection.close()
    if answer.status >= 400:  # noqa: PLR2004 (RFC 9110)
        raise Failed(clean(f"pumice: {value.get('detail', answer.status)}"))
    return value
