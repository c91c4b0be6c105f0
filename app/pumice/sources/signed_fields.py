"""A signature among the body's own fields: Mailgun."""

from collections.abc import Sequence
from dataclasses import dataclass

from pumice.agents.json_text import dumps
from pumice.agents.requests import Request
from pumice.agents.selectors import body
from pumice.agents.sources import Received, text_of
from pumice.sources.digests import PLAIN_HEX, Digest
from pumice.sources.timestamps import time_refusal, write_time


@dataclass(frozen=True, slots=True)
class SignedFields:
    """The body's `signature.signature` is the digest of its `signature.timestamp` and `signature.token`.

    What else the body says is not signed. tolerance: seconds; a sender that signs once may retry for hours.
    """

    tolerance: float
    digest: Digest = PLAIN_HEX

    @property
    def summary(self) -> str:
        """What is signed and how."""
        return f"body `signature.signature`: {self.digest.summary}, of timestamp and token, {self.tolerance:.0f} s"

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
        time, token, signature = (self._field(received.request, name) for name in ("timestamp", "token", "signature"))
        if not time or not token or not signature:
            return "its body has no signature.timestamp, signature.token and signature.signature"
        if not self.digest.matches(secrets, (time + token).encode(errors="replace"), [signature]):
            return "its signature is not that of its timestamp and token"
        return time_refusal(time, "seconds", received.now, self.tolerance)

    def sign(self, received: Received, secret: str) -> Request:
        """Put a signature into the body, which must be a JSON object. Raises `SecretError`."""
        request, time = received.request, write_time(received.now, "seconds")
        token = self.digest.of("token", request.body)
        signature = {"timestamp": time, "token": token, "signature": self.digest.of(secret, (time + token).encode())}
        text = dumps({**request.json, "signature": signature})
        return Request(request.method, request.path, request.query, request.headers, text)

    def _field(self, request: Request, name: str) -> str | None:
        nested = text_of(body(f"signature.{name}"), request)
        return nested if nested is not None else text_of(body(name), request)
