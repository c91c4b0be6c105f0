"""A body's bytes as text and JSON: its content encoding undone, its charset and byte order mark heeded.

Senders write what RFC 8259 forbids: a byte order mark, half a surrogate pair (JavaScript's `JSON.stringify` of a cut
emoji). Such a half is read as U+FFFD, since no text that can be stored or sent holds one.
"""

import codecs
import json
import re
import zlib
from typing import Any

from pumice.agents.body_bounds import check_values, unhurried_gc
from pumice.agents.json_text import JSONDecodeError, NumberTooLongError, loads
from pumice.errors import Malformed, TooLarge, UnsupportedMedia

DECODED_BYTES = 10_000_000
"""What a compressed body may become."""
MOST_ENCODINGS = 2
GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
HALF_PAIR = re.compile(rb"\\u[dD][89a-fA-F]")
SURROGATE = re.compile("[\ud800-\udfff]")
BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Byte order marks; those of UTF-32 begin with those of UTF-16."""
WINDOWS = "windows-1252"
"""What is meant by it, by latin-1, and by nothing at all where it is not UTF-8 (https://encoding.spec.whatwg.org)."""


def decompressed(body: bytes, encoding: str) -> bytes:
    """The body before its `Content-Encoding`.

    Raises `Malformed` for one that is not what it says, `TooLarge`, `UnsupportedMedia` for an unknown encoding.
    """
    names = [one.strip().lower() for one in encoding.split(",")]
    for name in reversed([one for one in names if one not in {"", "identity"}][:MOST_ENCODINGS]):
        if name not in {"gzip", "x-gzip", "deflate"}:
            raise UnsupportedMedia(f"Bodies may be compressed by gzip or deflate, not by {name[:40]!r}.")
        body = _inflated(body, name)
    return body


def _inflated(body: bytes, name: str) -> bytes:
    limit = max(DECODED_BYTES, len(body))
    inflate = zlib.decompressobj(GZIP_OR_ZLIB)
    try:
        text = inflate.decompress(body, limit + 1)
    except zlib.error as error:
        if name != "deflate":
            raise Malformed(f"the body is not {name}: {error}") from None
        try:  # what some call deflate has no zlib header
            inflate = zlib.decompressobj(-zlib.MAX_WBITS)
            text = inflate.decompress(body, limit + 1)
        except zlib.error:
            raise Malformed(f"the body is not {name}: {error}") from None
    if len(text) > limit:
        raise TooLarge(f"The body has more than {limit} bytes once it is decompressed.")
    if not inflate.eof:
        raise Malformed(f"the body is not {name}: it ends too early")
    return text


def as_text(body: bytes, charset: str | None) -> str:
    """The body as text: by its byte order mark, else its charset, else as UTF-8, else as Windows-1252."""
    for mark, name in BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, errors="replace")
    known = known_charset(charset)
    if known is not None:
        return body.decode(known, errors="replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode(errors="replace")


def known_charset(charset: str | None) -> str | None:
    """Python's name of a charset; None for UTF-8, and for what is no charset of text."""
    if not charset:
        return None
    try:
        name = codecs.lookup(charset.strip("\"' ")).name
        "".encode(name)
    except (LookupError, ValueError):
        return None
    return {"iso8859-1": WINDOWS, "ascii": WINDOWS, "utf-8": None}.get(name, name)


def parse_body_json(body: bytes, charset: str | None) -> Any:
    """Read JSON as senders write it. Raises `Malformed`, which gives line and column, and `TooLarge`."""
    if body[:1] in b"\xef\xff\xfe\x00" or known_charset(charset) is not None:
        body = as_text(body, charset).encode(errors="replace")
    return parse_json(body, loose=True)


def parse_json(body: bytes, *, loose: bool = False) -> Any:
    """Read JSON. loose: half a surrogate pair is read as U+FFFD.

    Raises `Malformed`, which gives line and column, and `TooLarge` for too many values.
    """
    check_values(body)
    try:
        with unhurried_gc(body):
            return loads(body)
    except JSONDecodeError as error:
        if loose and HALF_PAIR.search(body):
            return _without_halves(body, error)
        raise _malformed(error) from None
    except NumberTooLongError as error:
        message = f"the body is not JSON: {error}"
        raise Malformed(message) from None


def _without_halves(body: bytes, error: JSONDecodeError) -> Any:
    try:
        value = json.loads(body, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise _malformed(error) from None
    return _replaced(value)


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _replaced(value: Any) -> Any:
    if isinstance(value, str):
        return SURROGATE.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_replaced(key): _replaced(one) for key, one in value.items()}
    return [_replaced(one) for one in value] if isinstance(value, list) else value


def _malformed(error: JSONDecodeError) -> Malformed:
    message = f"the body is not JSON: {error.msg}"
    return Malformed(message, line=error.lineno, column=error.colno, position=error.pos)
