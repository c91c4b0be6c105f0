"""An HMAC of a time, the body and what joins them, so that a copy of a request is worth nothing a while later."""

from collections.abc import Sequence
from dataclasses import dataclass

from pumice.agents.requests import Request
from pumice.agents.sources import Received, with_headers
from pumice.sources.digests import PLAIN_HEX, Digest
from pumice.sources.timestamps import Unit, time_refusal, write_time

TOLERANCE = 300.0
"""Seconds by which a request's time may differ from ours, where its sender says nothing else."""


@dataclass(frozen=True, slots=True)
class TimedHmac:
    """`header` holds the digest of `message`, in which `{time}`, `{id}` and `{body}` stand for those.

    time: the header that holds the time or, where `pairs` parts `header` into `name=value`, the name of its pair.
    signature: the name of the signature's pair, or what comes before the digest.
    several: what parts several signatures in one header. id: the header that holds `{id}`.
    tolerance: seconds; unit: how the time is written.
    """

    header: str
    message: str
    time: str
    signature: str = ""
    pairs: str = ""
    several: str = ""
    id: str = ""
    unit: Unit = "seconds"
    tolerance: float = TOLERANCE
    digest: Digest = PLAIN_HEX

    @property
    def summary(self) -> str:
        """What is signed and how."""
        return f"`{self.header}`: {self.digest.summary}, of `{self.message}`, {self.tolerance:.0f} s"

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
        request = received.request
        value = request.headers.get(self.header)
        if not value:
            return f"it has no {self.header}"
        time, given = self._read(value, request)
        if not time:
            return "it has no timestamp"
        if self.id and not request.headers.get(self.id):
            return f"it has no {self.id}"
        if not self.digest.matches(secrets, self._message(time, request), given):
            return f"its {self.header} is not that of its timestamp and body"
        return time_refusal(time, self.unit, received.now, self.tolerance)

    def sign(self, received: Received, secret: str) -> Request:
        """Sign the time and the body. Raises `SecretError`."""
        request, time = received.request, write_time(received.now, self.unit)
        digest = self.digest.of(secret, self._message(time, request))
        if self.pairs:
            return with_headers(request, {self.header: f"{self.time}={time}{self.pairs}{self.signature}={digest}"})
        return with_headers(request, {self.header: self.signature + digest, self.time: time})

    def _read(self, value: str, request: Request) -> tuple[str, list[str]]:
        """The time, and the signatures."""
        if self.pairs:
            pairs = [one.partition("=") for one in value.replace(" ", self.pairs).split(self.pairs)]
            times = [text for name, _, text in pairs if name == self.time]
            return (times[0] if times else ""), [text for name, _, text in pairs if name == self.signature]
        given = value.split(self.several) if self.several else [value]
        prefixed = [one.strip() for one in given if one.strip().startswith(self.signature)]
        return request.headers.get(self.time, "").strip(), [one.removeprefix(self.signature) for one in prefixed]

    def _message(self, time: str, request: Request) -> bytes:
        before, _, after = self.message.partition("{body}")
        facts = {"{time}": time, "{id}": request.headers.get(self.id, "") if self.id else ""}
        for place, fact in facts.items():
            before, after = before.replace(place, fact), after.replace(place, fact)
        return before.encode(errors="replace") + request.body + after.encode(errors="replace")
