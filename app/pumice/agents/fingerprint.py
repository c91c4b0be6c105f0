"""The fingerprint of what came under an Idempotency-Key, by which the same key with something else is told apart."""

from hashlib import blake2b

import orjson

from pumice.agents.json_text import dumps, loads

SIZE = 16


def fingerprint(content: bytes) -> str:
    """The fingerprint of a body, as hexadecimal digits."""
    return blake2b(content, digest_size=SIZE).hexdigest()


def json_fingerprint(text: str) -> str:
    """The fingerprint of a JSON text, whatever the order of its keys."""
    return fingerprint(dumps(loads(text), option=orjson.OPT_SORT_KEYS))
