"""Forms in a request's body: few enough fields, and parsed in slices.

Between two slices whoever shares the process has its turn: `time.sleep(0)` lets another greenlet, or thread, run.
"""

import io
import time
from urllib.parse import unquote_to_bytes

from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from pumice.agents.body_text import WINDOWS, known_charset
from pumice.errors import Malformed, TooLarge

URLENCODED, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
FORM_FIELDS = 10_000
"""Fields of one urlencoded form."""
FORM_PARTS = 1_000
"""Parts of one multipart form; each costs as much as ten fields."""
SLICE = 16_384
"""Bytes that are decoded in one go, in a few milliseconds at most."""
ESCAPE = 3
"""Characters of `%41`."""


CHARSET_FIELDS = (b"_charset_", b"charset")
"""Fields in which browsers, and PayPal, say what the form is written in."""


def parse_urlencoded(body: bytes, charset: str | None = None) -> MultiDict[str, str]:
    """The fields of `a=1&b=2`, in order; empty values too. Raises `TooLarge`.

    charset: as the content type names it. Without one, a field may name it; else it is UTF-8 or, where a name or value
    is not, Windows-1252.
    """
    if body.count(b"&") >= FORM_FIELDS:
        raise TooLarge(f"The form holds more than {FORM_FIELDS} fields.")
    fields = []
    for number, field in enumerate(body.split(b"&")):
        if not number % 100:
            time.sleep(0)
        if field:
            name, _, value = field.partition(b"=")
            fields.append((_unescaped(name), _unescaped(value)))
    return MultiDict(_as_text(fields, charset))


def _as_text(fields: list[tuple[bytes, bytes]], charset: str | None) -> list[tuple[str, str]]:
    named = charset or next((value.decode("latin-1") for name, value in fields if name in CHARSET_FIELDS), None)
    known = known_charset(named)
    if known is None:
        try:
            return [(name.decode(), value.decode()) for name, value in fields]
        except UnicodeDecodeError:
            known = "utf-8" if charset else WINDOWS
    return [(name.decode(known, "replace"), value.decode(known, "replace")) for name, value in fields]


def parse_multipart(body: bytes, content_type: str) -> tuple[MultiDict[str, str], MultiDict[str, FileStorage]]:
    """The fields and files of a multipart form. Raises `Malformed`, `TooLarge`."""
    _, options = parse_options_header(content_type)
    if body.count(b"--" + options.get("boundary", "").encode("latin-1", "replace")) > FORM_PARTS + 1:
        raise TooLarge(f"The form holds more than {FORM_PARTS} parts.")
    parser = FormDataParser(silent=False, max_form_parts=FORM_PARTS, max_form_memory_size=None)
    try:
        _, form, files = parser.parse(_Slices(body), "multipart/form-data", len(body), options)
    except (ValueError, HTTPException) as error:
        message = f"the form can't be parsed: {error}"
        raise Malformed(message) from None
    return form, files


class _Slices(io.BytesIO):
    """A body that is read in slices."""

    def read(self, size: int | None = -1, /) -> bytes:
        """At most a slice of what is left."""
        time.sleep(0)
        return super().read(SLICE if size is None or size < 0 else min(size, SLICE))


def _unescaped(text: bytes) -> bytes:
    """A name or value: plus signs are spaces."""
    if len(text) <= SLICE:
        return unquote_to_bytes(text.replace(b"+", b" "))
    pieces, at = [], 0
    while at < len(text):
        end = at + SLICE
        cut = text.rfind(b"%", end - ESCAPE + 1, end)  # an escape is not cut in two
        end = cut if cut > at and end < len(text) else end
        pieces.append(unquote_to_bytes(text[at:end].replace(b"+", b" ")))
        at = end
        time.sleep(0)
    return b"".join(pieces)
