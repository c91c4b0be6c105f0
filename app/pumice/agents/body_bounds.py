"""How much a JSON body may hold, found out before it is parsed.

Parsing holds up whoever shares the process: a body of nine megabytes may hold three million lists, which take seconds
to build, or one text, which takes a hundredth of one. So what counts is the number of values.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from pumice.errors import TooLarge

JSON_VALUES = 250_000
"""Values and keys of one JSON body. So many lists are parsed in about 30 ms."""
SMALL = 65_536
"""Bytes of a body that is parsed as it is, whatever it holds."""


def check_values(body: bytes) -> None:
    """Raises `TooLarge` for a JSON body that holds too many values; looks at it only a few times, whole."""
    if len(body) <= SMALL or _separators(body) < JSON_VALUES:
        return
    plain = body.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in body else body
    texts = plain.count(b'"') // 2
    if 0 < texts < JSON_VALUES and _separators(_outside_texts(plain)) < JSON_VALUES:
        return
    raise TooLarge(f"The JSON body holds more than {JSON_VALUES} values.")


@contextmanager
def unhurried_gc(body: bytes) -> Iterator[None]:
    """Collect no garbage while a large body is parsed: each pass would visit all that is made, and find none of it."""
    if len(body) <= SMALL or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _outside_texts(plain: bytes) -> bytes:
    """What does not stand between quotation marks. None of them may be escaped."""
    return b"".join(plain.split(b'"')[::2])


def _separators(text: bytes) -> int:
    """At least as many as there are values, less one."""
    return text.count(b",") + text.count(b":") + text.count(b"[") + text.count(b"{")
