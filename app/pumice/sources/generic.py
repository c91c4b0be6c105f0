"""Sources for senders that have no row of their own: by a shared secret, or by a function of the author's."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from secrets import token_urlsafe
from typing import Any, Literal

from pumice.agents.requests import Request
from pumice.agents.selectors import Selector, SelectorLike, as_selector
from pumice.agents.sources import Received, Sample, Scheme, Source
from pumice.sources.body_hmac import BodyHmac
from pumice.sources.digests import Digest
from pumice.sources.timed_hmac import TOLERANCE, TimedHmac
from pumice.sources.timestamps import Unit
from pumice.sources.tokens import Basic, SharedToken

SAMPLE = Sample({"id": "{id}", "type": "sample", "created": "{now}"})


def hmac(  # noqa: PLR0913 (all but the secret are how the sender signs)
    secret: str,
    *,
    header: str,
    name: str = "hmac",
    prefix: str = "",
    algorithm: str = "sha256",
    encoding: Literal["hex", "base64"] = "hex",
    key: Literal["text", "base64"] = "text",
    message: str = "{body}",
    timestamp: str | None = None,
    unit: Unit = "seconds",
    tolerance: float = TOLERANCE,
    delivery_id: SelectorLike | Selector = None,
    event: SelectorLike | Selector = None,
    time: SelectorLike | Selector = None,
) -> Source:
    """Any sender that puts an HMAC of the body, or of `message`, into a header.

    secret: the environment variable that holds the secret, or several, separated by commas.
    header: where the signature is, after `prefix`. algorithm: as hashlib names it. key: what the secret becomes.
    message: what is signed, with `{body}` and, where there is a header `timestamp`, `{time}` in `unit`; the request is
    refused when that is more than `tolerance` seconds from now.
    delivery_id, event, time: selectors of the delivery's id, the event's type and the event's time. Without an id,
    repeats are recognised by an Idempotency-Key or a well-known header, as without a source.
    Raises `ValueError` for an algorithm that hashlib does not know.
    """
    if algorithm not in hashlib.algorithms_guaranteed or algorithm.startswith("shake"):
        raise ValueError(f"hmac: hashlib knows no {algorithm!r}")
    if "{body}" not in message or ("{time}" in message) != (timestamp is not None):
        raise ValueError("hmac: message needs {body}, and {time} just where a timestamp's header is named")
    digest = Digest(algorithm, encoding, key)
    scheme: Scheme = (
        BodyHmac(header, prefix, digest)
        if timestamp is None and message == "{body}"
        else TimedHmac(header, message, timestamp or "", prefix, unit=unit, tolerance=tolerance, digest=digest)
    )
    return _source(name, scheme, (secret,), delivery_id, event, time)


def shared_token(  # noqa: PLR0913 (all but the secret are where the sender puts it)
    secret: str,
    *,
    header: str | None = None,
    query: str | None = None,
    field: str | None = None,
    name: str = "shared_token",
    prefix: str = "",
    delivery_id: SelectorLike | Selector = None,
    event: SelectorLike | Selector = None,
    time: SelectorLike | Selector = None,
) -> Source:
    """Any sender that sends the secret itself: in a `header`, a `query` parameter or a `field` of the body.

    secret: the environment variable that holds it. prefix: what stands before it, such as `Bearer `.
    The others are as `hmac` has them. Raises `ValueError` unless just one place is named.
    """
    if sum(one is not None for one in (header, query, field)) != 1:
        raise ValueError("shared_token: name a header, a query parameter or a field")
    if header is not None:
        scheme = SharedToken("header", header, prefix)
    elif query is not None:
        scheme = SharedToken("query", query, prefix)
    else:
        scheme = SharedToken("body", field or "", prefix)
    return _source(name, scheme, (secret,), delivery_id, event, time)


def basic(
    secret: str,
    *,
    name: str = "basic",
    delivery_id: SelectorLike | Selector = None,
    event: SelectorLike | Selector = None,
    time: SelectorLike | Selector = None,
) -> Source:
    """Any sender that sends a user and password (RFC 7617). The variable `secret` holds `user:password`."""
    return _source(name, Basic(), (secret,), delivery_id, event, time)


@dataclass(frozen=True, slots=True)
class Custom:
    """A check of an author's."""

    check: Callable[[Request, Sequence[str]], Any]

    @property
    def summary(self) -> str:
        """Whose it is."""
        return "a function of yours"

    @property
    def secret_headers(self) -> tuple[str, ...]:
        """Nobody knows."""
        return ()

    def new_secret(self) -> tuple[str, str]:
        """A secret that both sides know."""
        secret = token_urlsafe()
        return secret, secret

    def check_secret(self, secret: str) -> None:
        """Nobody but the author knows."""

    def refusal(self, received: Received, secrets: Sequence[str]) -> str | None:
        """Why the request is not genuine; an exception of the author's is a refusal too."""
        try:
            return None if self.check(received.request, secrets) else "the hook's own check refused it"
        except Exception as error:
            return f"the hook's own check failed: {type(error).__name__}"

    def sign(self, received: Received, secret: str) -> Request:  # noqa: ARG002 (nobody knows how)
        """The request as it is: nobody knows how it is signed."""
        return received.request


@dataclass(frozen=True, slots=True)
class Unsigned(Custom):
    """No check at all."""

    @property
    def summary(self) -> str:
        """That there is none."""
        return "nothing: every request is believed"


def unsigned(source: Source) -> Source:
    """A source that believes every request: for trying out, and for addresses that only its sender can reach."""
    return replace(source, scheme=Unsigned(lambda _request, _secrets: True), secrets=())


def custom(
    check: Callable[[Request, Sequence[str]], Any],
    *secrets: str,
    name: str = "custom",
    delivery_id: SelectorLike | Selector = None,
    event: SelectorLike | Selector = None,
    time: SelectorLike | Selector = None,
) -> Source:
    """Any other sender. `check` gets the request and the secrets, and returns whether it is genuine.

    secrets: the environment variables that hold them. Compare secrets with `hmac.compare_digest`.
    """
    return _source(name, Custom(check), secrets, delivery_id, event, time)


def _source(
    name: str,
    scheme: Scheme,
    secrets: tuple[str, ...],
    delivery_id: SelectorLike | Selector,
    event: SelectorLike | Selector,
    time: SelectorLike | Selector,
) -> Source:
    found = [None if one is None else as_selector(one) for one in (delivery_id, event, time)]
    return Source(name, scheme, secrets, found[0], found[1], found[2], sample=SAMPLE)
