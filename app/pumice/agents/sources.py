"""What a webhook's source is: who sends, how it is known to be genuine, and how it wants to be answered. No I/O.

`pumice.sources` has the senders and the schemes by which they sign; this is the form that they all have.
"""

import fnmatch
import re
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol, TypeAlias
from urllib.parse import urlencode

from werkzeug.datastructures import Headers, MultiDict

from pumice.agents.fingerprint import fingerprint
from pumice.agents.forms import URLENCODED
from pumice.agents.json_text import dumps, loads
from pumice.agents.names import is_key
from pumice.agents.requests import Request, Response
from pumice.agents.selectors import Selector
from pumice.errors import PumiceError

SecretsOf: TypeAlias = Callable[[str], tuple[str, ...]]
"""The secrets that an environment variable of this name holds; none where it is missing or empty."""
JSON_TYPE = "application/json"


class SecretError(PumiceError):
    """A secret can't be what its sender gave."""


class Received(NamedTuple):
    """A request as it came: at which address, as its sender wrote it, and when, in seconds since 1970."""

    request: Request
    url: str
    now: float


class Scheme(Protocol):
    """A way of signing."""

    @property
    def summary(self) -> str:
        """What is signed and how, for the manual's table."""
        ...

    @property
    def secret_headers(self) -> tuple[str, ...]:
        """Headers that hold a secret itself: no handler and no log sees them."""
        ...

    def check_secret(self, secret: str) -> None:
        """Raise `SecretError` for a secret that can't be one."""
        ...

    def new_secret(self) -> tuple[str, str]:
        """A secret for trying things out: what the variable would hold, and what the sender would sign with."""
        ...

    def refusal(self, received: Received, secrets: Sequence[str]) -> str | None:
        """Why the request is not genuine; None where it is. Takes the same time wherever a signature differs.

        Raises `SecretError` for a secret that can't be one.
        """
        ...

    def sign(self, received: Received, secret: str) -> Request:
        """The request with the signature that its sender would give it. Raises `SecretError`."""
        ...


@dataclass(frozen=True, slots=True)
class Handshake:
    """How a sender checks an address before, or while, it sends there. It is answered without a turn.

    summary: for the manual. answer: what the request is answered with; None where it is no handshake.
    is_signed: whether the sender signs it; then it is answered only once that is verified.
    secrets: the variables whose secrets it is checked with; none: the source's.
    hands_over: finds the secret that a request hands over, by which later ones will be signed.
    """

    summary: str
    answer: Callable[[Received, Sequence[str]], Response | None]
    is_signed: bool = False
    secrets: tuple[str, ...] = ()
    hands_over: Callable[[Received], str | None] | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """A delivery as the sender makes it.

    In its texts `{id}` stands for an id of its own; `{now}`, `{now_ms}` and `{now_iso}` for the time.
    body: JSON, text, or bytes; form: the fields of a form instead. method, query and headers are the request's.
    """

    body: Any = None
    form: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"

    def request(self, path: str, now: float, delivery_id: str | None = None) -> Request:
        """The request, not yet signed. Raises nothing."""
        at = datetime.fromtimestamp(now, UTC)
        facts = {
            "{id}": delivery_id or str(uuid.uuid4()),
            "{now}": str(int(now)),
            "{now_ms}": str(int(now * 1000)),
            "{now_iso}": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        query = {key: str(value) for key, value in _filled(dict(self.query), facts).items()}
        headers = Headers([(key, str(value)) for key, value in _filled(dict(self.headers), facts).items()])
        if self.form is not None:
            headers.setdefault("Content-Type", URLENCODED)
            body = urlencode(_filled(dict(self.form), facts)).encode()
        elif isinstance(self.body, bytes | str):
            text = self.body.decode() if isinstance(self.body, bytes) else self.body
            body = str(_filled(text, facts)).encode()
        else:
            headers.setdefault("Content-Type", JSON_TYPE)
            body = b"" if self.body is None else dumps(_filled(self.body, facts))
        path = f"{path}?{urlencode(query)}" if query else path
        return Request(self.method, path, MultiDict(query), headers, body)


@dataclass(frozen=True, slots=True)
class Source:
    """A sender of webhooks.

    name: as `request.source` has it. scheme: how it signs. secrets: the environment variables that hold its secrets.
    delivery_id, event, time: where a delivery's id, the type of its event and the event's own time are.
    handshakes: how it checks the address. within: seconds in which it wants an answer; None: as long as any request.
    only_200: whether it counts any other success as a failure. later: what it wants to read when the turn goes on
    beyond that time. sample: a delivery of its own.
    """

    name: str
    scheme: Scheme
    secrets: tuple[str, ...]
    delivery_id: Selector | None = None
    event: Selector | None = None
    time: Selector | None = None
    handshakes: tuple[Handshake, ...] = ()
    within: float | None = None
    only_200: bool = False
    later: Any = None
    sample: Sample = field(default_factory=Sample)

    def secrets_from(self, lookup: SecretsOf) -> tuple[str, ...]:
        """Its secrets, as the environment has them."""
        return tuple(secret for variable in self.secrets for secret in lookup(variable))

    def missing(self, lookup: SecretsOf) -> tuple[str, ...]:
        """The variables without which it can't verify: all of its own if none is set, and those of a handshake."""
        own = () if self.secrets_from(lookup) else self.secrets
        others = {name for handshake in self.handshakes for name in handshake.secrets if not lookup(name)}
        return (*own, *sorted(others - set(own)))

    def delivery_id_of(self, request: Request) -> str | None:
        """The sender's id of this delivery, which a repeat has too; None where it gives none."""
        given = text_of(self.delivery_id, request)
        if given is None or is_key(given):
            return given
        return f"id:{fingerprint(given.encode(errors='replace'))}"

    def event_of(self, request: Request) -> str | None:
        """The event's type; None where the request names none."""
        return text_of(self.event, request)

    def time_of(self, request: Request) -> datetime | None:
        """When the event happened, as its sender says; None where it does not, or not as a time."""
        text = text_of(self.time, request)
        return None if text is None else read_time(text)


def wrong_secrets(source: Source, lookup: SecretsOf) -> Iterator[tuple[str, str]]:
    """The variables whose secrets are missing or wrong, and why. A secret that the sender hands over may be missing."""
    may_miss = any(one.hands_over for one in source.handshakes)
    for variable in source.missing(lookup):
        if not may_miss:
            yield variable, "is missing or empty"
    for variable in source.secrets:
        for secret in lookup(variable):
            try:
                source.scheme.check_secret(secret)
            except SecretError as error:
                yield variable, f"holds no secret of this sender: {error}"


WHOLE_BODY = Selector("the body's hash", lambda request: f"body:{fingerprint(request.body)}")
"""The id of deliveries whose sender names none, and whose bodies are never the same: they hold a time or an id."""


def text_of(selector: Selector | None, request: Request) -> str | None:
    """What a source's selector finds, as text; None where there is nothing or the body is none that it can read."""
    if selector is None:
        return None
    try:
        value = selector(request)
    except PumiceError:
        return None
    if value is None or isinstance(value, bool | dict | list):
        return None
    return str(value).strip() or None


def event_matches(event: str | None, patterns: Sequence[str]) -> bool:
    """Whether an event is one of those that a hook takes; `*` stands for any characters, as in `invoice.*`."""
    if not patterns:
        return True
    return event is not None and any(fnmatch.fnmatchcase(event, pattern) for pattern in patterns)


MILLISECONDS_FROM = 100_000_000_000
"""Numbers from here on are milliseconds since 1970: as seconds they would be in the year 5138."""


def read_time(text: str) -> datetime | None:
    """A time in seconds or milliseconds since 1970, or as RFC 3339 has it."""
    try:
        number = float(text)
        return datetime.fromtimestamp(number / 1000 if number >= MILLISECONDS_FROM else number, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def read_rfc3339(text: str) -> datetime | None:
    """A time as RFC 3339 has it, with its timezone; None for anything else."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else None


def with_event(source: Source | None, request: Request, event: str) -> Request:
    """The request with this event type, where its source looks for it: in a header, or in a field of a JSON body."""
    for place in re.finditer(r"(body|header)\('([^']+)'\)", source.event.name if source and source.event else ""):
        kind, name = place.groups()
        if kind == "header" and name in request.headers:
            request = with_headers(request, {name: event})
        elif kind == "body":
            body = put_field(loads(request.body), name.split("."), event) if request.is_json else None
            if body is not None:
                request = Request(request.method, request.path, request.query, request.headers, dumps(body))
    return request


def put_field(value: Any, keys: Sequence[str], put: Any) -> Any:
    """The JSON value with something put at a path, which is made where it is missing; None where it can't be."""
    if not keys:
        return put
    key, rest = keys[0], keys[1:]
    if isinstance(value, list):
        if not (key.isdigit() and int(key) <= len(value)):
            return None
        place = int(key)
        inner = put_field(value[place] if place < len(value) else None, rest, put)
        return None if inner is None else [*value[:place], inner, *value[place + 1 :]]
    if key == "0" and not isinstance(value, dict):
        inner = put_field(None, rest, put)
        return None if inner is None else [inner]
    fields = value if isinstance(value, dict) else {}
    inner = put_field(fields.get(key), rest, put)
    return None if inner is None else {**fields, key: inner}


def with_headers(request: Request, headers: Mapping[str, str]) -> Request:
    """The request with these headers in place of its own of the same names."""
    changed = Headers(list(request.headers))
    for name, value in headers.items():
        changed[name] = value
    return Request(request.method, request.path, request.query, changed, request.body)


def _filled(value: Any, facts: Mapping[str, str]) -> Any:
    """A sample's value with its places filled in. A text that is nothing but a time's place becomes a number."""
    if isinstance(value, str):
        if value in {"{now}", "{now_ms}"}:
            return loads(facts[value])
        for place, fact in facts.items():
            value = value.replace(place, fact)
        return value
    if isinstance(value, dict):
        return {key: _filled(one, facts) for key, one in value.items()}
    return [_filled(one, facts) for one in value] if isinstance(value, list) else value
