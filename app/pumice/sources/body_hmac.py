"""A header with the HMAC of the body: GitHub, Shopify, Linear and most others."""

from collections.abc import Sequence
from dataclasses import dataclass

from pumice.agents.requests import Request
from pumice.agents.sources import Received, with_headers
from pumice.sources.digests import PLAIN_HEX, Digest


@dataclass(frozen=True, slots=True)
class BodyHmac:
    """`header` holds `prefix` and the raw body's digest; or several, parted by `separator`."""

    header: str
    prefix: str = ""
    digest: Digest = PLAIN_HEX
    separator: str = ""

    @property
    def summary(self) -> str:
        """What is signed and how."""
        return f"`{self.header}`: {self.digest.summary}, of the body"

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
        """Why the request is not genuine. Raises `SecretError`."""
        value = received.request.headers.get(self.header)
        if not value:
            return f"it has no {self.header}"
        given = value.split(self.separator) if self.separator else [value]
        signatures = [one.strip().removeprefix(self.prefix) for one in given if one.strip().startswith(self.prefix)]
        if not self.digest.matches(secrets, received.request.body, signatures):
            return f"its {self.header} is not that of its body"
        return None

    def sign(self, received: Received, secret: str) -> Request:
        """Sign the body. Raises `SecretError`."""
        request = received.request
        return with_headers(request, {self.header: self.prefix + self.digest.of(secret, request.body)})
