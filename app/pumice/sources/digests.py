"""HMAC digests as senders write them, compared in constant time."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from pumice.agents.sources import SecretError

T = TypeVar("T")
SECRET_BYTES = 32
MOST_SIGNATURES = 16
"""How many signatures of one request are looked at: more than any sender rotates keys at once."""


@dataclass(frozen=True, slots=True)
class Digest:
    """An HMAC (RFC 2104), its algorithm as hashlib names it, how it is written, and how the secret becomes a key.

    key: "text" takes the secret's UTF-8, "base64" decodes it after `prefix`, if it begins with that.
    """

    algorithm: str = "sha256"
    encoding: Literal["hex", "base64"] = "hex"
    key: Literal["text", "base64"] = "text"
    prefix: str = ""

    def of(self, secret: str, message: bytes) -> str:
        """The digest of a message. Raises `SecretError` for a secret that is not what `key` says."""
        digest = hmac.digest(self._key(secret), message, self.algorithm)
        return digest.hex() if self.encoding == "hex" else base64.b64encode(digest).decode()

    def new_secret(self) -> str:
        """A random secret, in the form that `key` asks for."""
        if self.key == "text":
            return secrets.token_urlsafe()
        return self.prefix + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()

    def matches(self, keys: Sequence[str], message: bytes, given: Iterable[str]) -> bool:
        """Whether any of these signatures is the message's under any of the secrets `keys`. Raises `SecretError`."""
        signatures = [one.strip().encode(errors="replace") for one in given][:MOST_SIGNATURES]
        expected = usable(keys, lambda secret: self.of(secret, message).encode())
        found = [hmac.compare_digest(one, other) for one in expected for other in signatures]
        return any(found)

    def check(self, secret: str) -> None:
        """Raise `SecretError` unless the secret is what `key` says."""
        self._key(secret)

    @property
    def summary(self) -> str:
        """As the manual names it."""
        return f"HMAC-{self.algorithm.upper()}, {self.encoding}"

    def _key(self, secret: str) -> bytes:
        if self.key == "text":
            return secret.encode()
        try:
            text = secret.removeprefix(self.prefix)
            key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            raise SecretError("it is not base64") from None
        if not key:
            raise SecretError("it is empty")
        return key


def usable(secrets: Sequence[str], use: Callable[[str], T]) -> list[T]:
    """What `use` makes of each secret that it can use: a wrong one beside a right one stops nobody.

    Raises `SecretError` where it can use none.
    """
    made, wrong = [], None
    for secret in secrets:
        try:
            made.append(use(secret))
        except SecretError as error:
            wrong = error
    if wrong is not None and not made:
        raise wrong
    return made


PLAIN_HEX = Digest()
"""HMAC-SHA256 in hexadecimal digits, the commonest."""
