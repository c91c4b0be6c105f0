"""A sender that signs in one of several ways, or under two keys, each in a header of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pumice.agents.requests import Request
from pumice.agents.sources import Received, Scheme


class HeaderScheme(Scheme, Protocol):
    """A way of signing in a header."""

    @property
    def header(self) -> str:
        """The header's name."""
        ...


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Any of these schemes, of those whose header the request has; the first where it has none of them."""

    schemes: Sequence[HeaderScheme]

    @property
    def summary(self) -> str:
        """How the first signs, and under which other names."""
        others = ", ".join(f"`{one.header}`" for one in self.schemes[1:])
        return f"{self.schemes[0].summary}; also {others}"

    @property
    def secret_headers(self) -> tuple[str, ...]:
        """Headers of any of them that hold a secret."""
        return tuple(name for one in self.schemes for name in one.secret_headers)

    def new_secret(self) -> tuple[str, str]:
        """A secret of the first."""
        return self.schemes[0].new_secret()

    def check_secret(self, secret: str) -> None:
        """Raise `SecretError` for a secret that can't be one."""
        self.schemes[0].check_secret(secret)

    def refusal(self, received: Received, secrets: Sequence[str]) -> str | None:
        """Why the request is not genuine. Raises `SecretError`."""
        headers = received.request.headers
        there = [one for one in self.schemes if one.header in headers] or [self.schemes[0]]
        refusals = [one.refusal(received, secrets) for one in there]
        return None if None in refusals else refusals[0]

    def sign(self, received: Received, secret: str) -> Request:
        """Sign in the first way. Raises `SecretError`."""
        return self.schemes[0].sign(received, secret)
