"""Signatures by a key of which only the public half is known here: Ed25519, ECDSA and RSA. Needs `cryptography`."""

import base64
import binascii
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, TypeAlias

from pumice.agents.requests import Request
from pumice.agents.sources import Received, SecretError, with_headers
from pumice.errors import MissingExtraError
from pumice.sources.digests import usable
from pumice.sources.timestamps import Unit, time_refusal, write_time

Algorithm: TypeAlias = Literal["ed25519", "ecdsa", "rsa"]
RAW_ED25519 = 32
RSA_BITS = 2048
KEYS_REMEMBERED = 64


@dataclass(frozen=True, slots=True)
class Asymmetric:
    """`header` holds the signature of `message`, in which `{time}` and `{body}` stand for those.

    The secret is the sender's public key: PEM, or DER or the raw key in base64 or hexadecimal digits.
    time: the header that holds the time, if any. tolerance: seconds.
    Raises `MissingExtraError` where `cryptography` is not installed.
    """

    algorithm: Algorithm
    header: str
    message: str
    encoding: Literal["hex", "base64"]
    time: str = ""
    unit: Unit = "seconds"
    tolerance: float = 300.0

    def __post_init__(self) -> None:
        if importlib.util.find_spec("cryptography") is None:
            raise MissingExtraError("this source's signatures need the extra pumice[signatures]")

    @property
    def summary(self) -> str:
        """What is signed and how."""
        limit = f", {self.tolerance:.0f} s" if self.time else ""
        return f"`{self.header}`: {self.algorithm}, {self.encoding}, of `{self.message}`{limit}"

    @property
    def secret_headers(self) -> tuple[str, ...]:
        """A signature is no secret."""
        return ()

    def new_secret(self) -> tuple[str, str]:
        """A key pair: the public key, and the private one, both as PEM."""
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 (an extra)
        from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa  # noqa: PLC0415

        key: Any
        if self.algorithm == "ed25519":
            key = ed25519.Ed25519PrivateKey.generate()
        elif self.algorithm == "ecdsa":
            key = ec.generate_private_key(ec.SECP256R1())
        else:
            key = rsa.generate_private_key(65537, RSA_BITS)
        pem, info = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        public = key.public_key().public_bytes(pem, info).decode()
        return public, key.private_bytes(pem, form, plain).decode()

    def check_secret(self, secret: str) -> None:
        """Raise `SecretError` for a secret that can't be one."""
        _public_key(secret)

    def refusal(self, received: Received, secrets: Sequence[str]) -> str | None:
        """Why the request is not genuine. Raises `SecretError`."""
        request = received.request
        value = request.headers.get(self.header, "").strip()
        if not value:
            return f"it has no {self.header}"
        time = request.headers.get(self.time, "").strip() if self.time else ""
        if self.time and not time:
            return f"it has no {self.time}"
        try:
            signature = bytes.fromhex(value) if self.encoding == "hex" else base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            return f"its {self.header} is not {self.encoding}"
        message = self._message(time, request)
        keys = usable(secrets, _public_key)
        if not any([_verifies(key, self.algorithm, signature, message) for key in keys]):  # noqa: C419 (all, always)
            return f"its {self.header} is not that of its body"
        return time_refusal(time, self.unit, received.now, self.tolerance) if self.time else None

    def sign(self, received: Received, secret: str) -> Request:
        """Sign with a private key, as PEM. Raises `SecretError`."""
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 (an extra)

        try:
            key: Any = load_pem_private_key(_pem(secret), None)
        except (ValueError, TypeError):
            raise SecretError("only the sender can sign: this is no private key") from None
        time = write_time(received.now, self.unit)
        signature = key.sign(self._message(time, received.request), *_parameters(self.algorithm))
        text = signature.hex() if self.encoding == "hex" else base64.b64encode(signature).decode()
        return with_headers(received.request, {self.header: text} | ({self.time: time} if self.time else {}))

    def _message(self, time: str, request: Request) -> bytes:
        before, _, after = self.message.partition("{body}")
        texts = [part.replace("{time}", time).encode(errors="replace") for part in (before, after)]
        return texts[0] + request.body + texts[1]


def _verifies(key: Any, algorithm: Algorithm, signature: bytes, message: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 (an extra)

    try:
        key.verify(signature, message, *_parameters(algorithm))
    except (InvalidSignature, TypeError, ValueError):
        return False
    return True


def _parameters(algorithm: Algorithm) -> tuple[Any, ...]:
    from cryptography.hazmat.primitives.asymmetric import ec, padding  # noqa: PLC0415 (an extra)
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415

    if algorithm == "ecdsa":
        return (ec.ECDSA(SHA256()),)
    return (padding.PKCS1v15(), SHA256()) if algorithm == "rsa" else ()


@lru_cache(KEYS_REMEMBERED)
def _public_key(text: str) -> Any:
    """A public key. Raises `SecretError`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 (an extra)
    from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key  # noqa: PLC0415

    try:
        if "BEGIN" in text:
            return load_pem_public_key(_pem(text))
        key = _bytes(text.strip())
        return Ed25519PublicKey.from_public_bytes(key) if len(key) == RAW_ED25519 else load_der_public_key(key)
    except (binascii.Error, ValueError, TypeError):
        raise SecretError("it is no public key") from None


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return base64.b64decode(text, validate=True)


def _pem(text: str) -> bytes:
    """PEM, whose line breaks an environment variable may hold as a backslash and an n."""
    return text.replace("\\n", "\n").encode()
