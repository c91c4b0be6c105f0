"""Senders that prove who they are by a secret that they send along: a token, or a user and password.

The request that is stored has no header that held one.
"""

import base64
import binascii
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_urlsafe
from typing import Literal

from pumice.agents.requests import Request
from pumice.agents.selectors import body
from pumice.agents.sources import Received, SecretError, text_of, with_headers

BASIC = "basic "


@dataclass(frozen=True, slots=True)
class SharedToken:
    """The secret itself, after `prefix`, in a header, a query parameter or a field of the body."""

    place: Literal["header", "query", "body"]
    name: str
    prefix: str = ""

    @property
    def summary(self) -> str:
        """Where the token is."""
        where = {"header": f"`{self.name}`", "query": f"query `{self.name}`", "body": f"body `{self.name}`"}
        return f"{where[self.place]}: the token itself"

    @property
    def secret_headers(self) -> tuple[str, ...]:
        """The header with the token."""
        return (self.name,) if self.place == "header" else ()

    def new_secret(self) -> tuple[str, str]:
        """A secret that both sides know."""
        secret = token_urlsafe()
        return secret, secret

    def check_secret(self, secret: str) -> None:
        """Any text may be a token."""

    def refusal(self, received: Received, secrets: Sequence[str]) -> str | None:
        """Why the request is not genuine."""
        given = self._given(received.request)
        if not given:
            return f"it has no {self.name}"
        found = [hmac.compare_digest((self.prefix + one).encode(), given.encode(errors="replace")) for one in secrets]
        return None if any(found) else f"its {self.name} is not the secret"

    def sign(self, received: Received, secret: str) -> Request:
        """Add the token, where it is no part of the body."""
        request, token = received.request, self.prefix + secret
        if self.place == "header":
            return with_headers(request, {self.name: token})
        if self.place == "query":
            query = request.query.copy()
            query[self.name] = token
            mark = "&" if "?" in request.path else "?"
            path = f"{request.path}{mark}{self.name}={token}"
            return Request(request.method, path, query, request.headers, request.body)
        text = request.body.replace(b"{secret}", token.encode())
        return Request(request.method, request.path, request.query, request.headers, text)

    def _given(self, request: Request) -> str:
        if self.place == "header":
            return request.headers.get(self.name, "").strip()
        return request.query.get(self.name, "") if self.place == "query" else text_of(body(self.name), request) or ""


@dataclass(frozen=True, slots=True)
class Basic:
    """`Authorization: Basic` (RFC 7617), with `user:password` as the secret."""

    @property
    def summary(self) -> str:
        """Where the password is."""
        return "`Authorization`: basic, `user:password`"

    @property
    def secret_headers(self) -> tuple[str, ...]:
        """The header with the password."""
        return ("Authorization",)

    def new_secret(self) -> tuple[str, str]:
        """A secret that both sides know."""
        secret = f"user:{token_urlsafe()}"
        return secret, secret

    def check_secret(self, secret: str) -> None:
        """Raise `SecretError` for what is no `user:password`."""
        if ":" not in secret:
            raise SecretError("it must look like user:password")

    def refusal(self, received: Received, secrets: Sequence[str]) -> str | None:
        """Why the request is not genuine."""
        value = received.request.headers.get("Authorization", "").strip()
        if value[: len(BASIC)].lower() != BASIC:
            return "it has no Authorization: Basic"
        try:
            given = base64.b64decode(value[len(BASIC) :].strip(), validate=True)
        except (binascii.Error, ValueError):
            return "its Authorization is not base64"
        found = [hmac.compare_digest(one.encode(), given) for one in secrets]
        return None if any(found) else "its user or password is wrong"

    def sign(self, received: Received, secret: str) -> Request:
        """Add the user and password."""
        token = base64.b64encode(secret.encode()).decode()
        return with_headers(received.request, {"Authorization": f"Basic {token}"})
