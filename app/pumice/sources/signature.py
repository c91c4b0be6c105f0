"""Checking that a webhook comes from who shares a secret with us."""

import base64
import hashlib
import hmac
from collections.abc import Callable
from typing import Literal

from pumice.agents.requests import Request


def signature(
    header: str,
    *,
    secret: str | bytes,
    prefix: str = "sha256=",
    algorithm: str = "sha256",
    encoding: Literal["hex", "base64"] = "hex",
) -> Callable[[Request], bool]:
    """A check for `verify=`: `header` must hold the HMAC of the raw body under `secret`, compared in constant time.

    As it stands it reads GitHub's `X-Hub-Signature-256`. Others differ in prefix, encoding (Shopify: no prefix,
    base64) or algorithm, a name that `hashlib` knows. Raises `ValueError` for an empty secret or unknown algorithm.
    """
    key = secret.encode() if isinstance(secret, str) else secret
    if not key:
        raise ValueError("signature: the secret is empty, so that anyone could sign")
    if algorithm not in hashlib.algorithms_available:
        raise ValueError(f"signature: hashlib knows no {algorithm!r}")

    def verify(request: Request) -> bool:
        digest = hmac.digest(key, request.body, algorithm)
        expected = prefix + (digest.hex() if encoding == "hex" else base64.b64encode(digest).decode())
        given = request.headers.get(header, "")
        return hmac.compare_digest(given.encode(errors="replace"), expected.encode())

    return verify
