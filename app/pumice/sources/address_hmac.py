"""An HMAC of the address that was called, with what was sent there: Twilio, Square, Trello, Mandrill, HubSpot.

The address is the one that its sender was told. Behind a proxy that changes it, PUBLIC_URL says what it was.
"""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pumice.agents.forms import URLENCODED
from pumice.agents.requests import Request
from pumice.agents.sources import Received, with_headers
from pumice.sources.digests import Digest
from pumice.sources.timestamps import time_refusal, write_time

Parts: TypeAlias = Literal["url+body", "body+url", "url+form", "method+url+body+time"]
BODY_SHA256 = "bodySHA256"
"""The query parameter by which Twilio signs a body that is no form."""

UNESCAPED = {
    "%3A": ":", "%2F": "/", "%3F": "?", "%40": "@", "%21": "!", "%24": "$", "%27": "'", "%28": "(", "%29": ")",
    "%2A": "*", "%2C": ",", "%3B": ";",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class AddressHmac:
    """`header` holds the digest of the address and more, as `parts` names and orders them.

    "url+form" adds each field's name and value, sorted by name; of a body that is no form, the address holds the hash.
    time: the header with the time in milliseconds, for "method+url+body+time". tolerance: seconds.
    """

    header: str
    parts: Parts
    digest: Digest
    time: str = ""
    tolerance: float = 300.0

    @property
    def summary(self) -> str:
        """What is signed and how."""
        limit = f", {self.tolerance:.0f} s" if self.time else ""
        return f"`{self.header}`: {self.digest.summary}, of `{self.parts}`{limit}"

    @property
    def secret_headers(self) -> tuple[str, ...]:
        """A signature is no secret."""
        return ()

    def new_secret(self) -> tuple[str, str]:
        """A secret that both sides know."""
        secret = self.digest.new_secret()
        return secret, secret

    def check_secret(self, secret: str) -> None:
        """Raise `SecretError` for a secret that can't be one."""
        self.digest.check(secret)

    def refusal(self, received: Received, secrets: Sequence[str]) -> str | None:
        """Why the request is not genuine. Raises `SecretError`, and `Malformed` for a form that can't be read."""
        request = received.request
        value = request.headers.get(self.header)
        if not value:
            return f"it has no {self.header}"
        time = request.headers.get(self.time, "").strip() if self.time else ""
        found = [
            self.digest.matches(secrets, self._message(url, request, time), [value])
            for url in _addresses(received.url, self.parts)
        ]
        if not any(found) or not self._is_of_body(request):
            return f"its {self.header} is not that of its address and body (was {received.url[:200]} called?)"
        return time_refusal(time, "milliseconds", received.now, self.tolerance) if self.time else None

    def sign(self, received: Received, secret: str) -> Request:
        """Sign the address and the body. Raises `SecretError`."""
        request, time = received.request, write_time(received.now, "milliseconds")
        url = received.url
        if self.parts == "url+form" and request.body and request.content_type != URLENCODED:
            sign = "&" if "?" in url else "?"
            added = f"{sign}{BODY_SHA256}={hashlib.sha256(request.body).hexdigest()}"
            query = request.query.copy()
            query[BODY_SHA256] = added.partition("=")[2]
            url, request = (
                url + added,
                Request(request.method, request.path + added, query, request.headers, request.body),
            )
        headers = {self.header: self.digest.of(secret, self._message(_addresses(url, self.parts)[0], request, time))}
        return with_headers(request, headers | ({self.time: time} if self.time else {}))

    def _message(self, url: str, request: Request, time: str) -> bytes:
        address = url.encode(errors="replace")
        if self.parts == "url+body":
            return address + request.body
        if self.parts == "body+url":
            return request.body + address
        if self.parts == "url+form":
            fields = sorted(set(request.form.items(multi=True))) if request.content_type == URLENCODED else []
            return address + "".join(name + value for name, value in fields).encode(errors="replace")
        method = request.method.encode(errors="replace")
        return method + address + request.body + time.encode(errors="replace")

    def _is_of_body(self, request: Request) -> bool:
        """Whether a body that is no form has the hash that the signed address names."""
        if self.parts != "url+form" or not request.body or request.content_type == URLENCODED:
            return True
        named = request.query.get(BODY_SHA256, "").lower()
        return hmac.compare_digest(hashlib.sha256(request.body).hexdigest().encode(), named.encode(errors="replace"))


def _unescaped(url: str) -> str:
    """The address as HubSpot signs it: some escapes undone."""
    for escape, character in UNESCAPED.items():
        url = url.replace(escape, character).replace(escape.lower(), character)
    return url


def _addresses(url: str, parts: Parts) -> list[str]:
    """The address as its sender may have written it.

    Twilio signs some with their default port and some without; HubSpot undoes some escapes.
    """
    if parts == "method+url+body+time":
        return [_unescaped(url), url] if "%" in url else [url]
    if parts != "url+form":
        return [url]
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    name, colon, port = host.rpartition(":")
    default = {"https": "443", "http": "80"}.get(scheme, "")
    if colon and port == default:
        return [url, f"{scheme}://{name}{slash}{path}"]
    return [url] if colon else [url, f"{scheme}://{host}:{default}{slash}{path}"]
