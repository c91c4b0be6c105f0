"""What is shown of a request: without the secrets and signatures that came with it."""

import re
from collections.abc import Iterable, Sequence

GONE = "[removed]"
SECRET_NAME = re.compile(
    r"authorization|cookie|secret|token|signature|hmac|hash|api-?key|passw|passcode|content-mac|client-?state",
    re.IGNORECASE,
)
"""Headers and query parameters whose values are secrets or signatures, whoever sends them."""
QUERY_PAIR = re.compile(r"([?&])([^=&]*)=([^&]*)")
SHORTEST = 6
"""Characters of a secret that is looked for in texts; a shorter one would be found everywhere."""


def shown_headers(headers: Iterable[Sequence[str]], secrets: Sequence[str]) -> list[list[str]]:
    """The headers without the values of those that hold secrets."""
    return [
        [name, GONE if SECRET_NAME.search(name) else without(value, secrets)]
        for name, value in ((pair[0], pair[1]) for pair in headers)
    ]


def shown_path(path: str, secrets: Sequence[str]) -> str:
    """The path, with its query, without the values of parameters that hold secrets."""

    def shown(pair: re.Match[str]) -> str:
        mark, name, value = pair.groups()
        return f"{mark}{name}={GONE if SECRET_NAME.search(name) else value}"

    return without(QUERY_PAIR.sub(shown, path), secrets)


def shown_body(body: bytes, secrets: Sequence[str]) -> bytes:
    """The body without the secrets themselves: some senders put them there."""
    for secret in secrets:
        if len(secret) >= SHORTEST:
            body = body.replace(secret.encode(), GONE.encode())
    return body


def without(text: str, secrets: Sequence[str]) -> str:
    """The text without the secrets."""
    for secret in secrets:
        if len(secret) >= SHORTEST:
            text = text.replace(secret, GONE)
    return text


def plain(text: str | None, most: int = 255) -> str | None:
    """A text of a sender's as Postgres can hold it, cut to `most` characters."""
    if text is None:
        return None
    return text[:most].encode(errors="replace").decode().replace("\x00", "\ufffd")
