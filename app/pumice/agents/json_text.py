"""JSON with whole numbers of any size: what authors and clients say comes through to the digit.

orjson knows 64 bits; beyond, it reads a float and writes nothing. So a text with a number that long is read, and a
value with one is written, by the standard library, which is slower and exact.
"""

import json
import re
import sys
from collections.abc import Callable
from typing import Any

import orjson

from pumice.errors import PumiceError

LONG = b"0" * 19
"""As many digits from which on a whole number may be beyond 64 bits."""
DIGITS = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
"""Turns each digit into a 0, and anything else into a space: a row of them is then found ten times as fast as by a
pattern."""
BEYOND = re.compile(rb"[0-9]{309,}")
"""Digits from which on a whole number may be beyond any float, which orjson refuses."""
TOO_LONG = "Integer exceeds 64-bit range"
"""What orjson says of a number that it can't write."""

JSONDecodeError = orjson.JSONDecodeError


class NumberTooLongError(PumiceError):
    """A number has more digits than Python reads."""


def loads(text: str | bytes) -> Any:
    """Read JSON. Raises `JSONDecodeError`, and `NumberTooLongError` for a number of thousands of digits."""
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    value = _loads(text, data)
    if LONG not in data.translate(DIGITS):
        return value
    try:
        return json.loads(data)
    except RecursionError:
        if BEYOND.search(data) is not None:
            raise orjson.JSONDecodeError("it is nested too deeply for a number as long", "", 0) from None
        return value
    except ValueError:
        digits = sys.get_int_max_str_digits()
        raise NumberTooLongError(f"a number has more than {digits} digits") from None


def names(text: str) -> set[str]:
    """The names of the fields of a JSON object. Raises `JSONDecodeError`."""
    return set(_loads(text, text.encode(errors="surrogatepass")))


def _loads(text: str | bytes, data: bytes) -> Any:
    """Read JSON by orjson, which tells what is wrong with it; in place of numbers beyond its floats are others."""
    try:
        return orjson.loads(text)
    except JSONDecodeError:
        shorter = BEYOND.sub(b"1", data)
        if shorter == data:
            raise
        return orjson.loads(shorter)


def dumps(value: Any, default: Callable[[Any], Any] | None = None, option: int | None = None) -> bytes:
    """Write JSON as UTF-8. Raises `TypeError` for what is not JSON."""
    try:
        return orjson.dumps(value, default, option)
    except TypeError as error:
        if str(error) != TOO_LONG:
            raise

    def simpler(one: Any) -> Any:
        return json.loads(dumps(one, default))

    _check_keys(value)
    sort = bool((option or 0) & orjson.OPT_SORT_KEYS)
    text = json.dumps(
        value, ensure_ascii=False, allow_nan=False, default=simpler, separators=(",", ":"), sort_keys=sort
    )
    return text.encode()


def _check_keys(value: Any) -> None:
    """Refuse keys that are no text, as orjson does; the standard library would change them."""
    if isinstance(value, dict):
        for key, one in value.items():
            if not isinstance(key, str):
                message = "Dict key must be str"
                raise TypeError(message)
            _check_keys(one)
    elif isinstance(value, list | tuple):
        for one in value:
            _check_keys(one)
