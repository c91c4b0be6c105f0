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

from pumice.errors import Malformed, TooLarge

FORM_FIELDS = 10_000
"""Fields of one urlencoded form."""
FORM_PARTS = 1_000
"""Parts of one multipart form; each costs as much as ten fields."""
SLICE = 16_384
"""Bytes that are decoded in one go, in a few milliseconds at most."""
ESCAPE = 3
"""Characters of `%41`."""


def parse_urlencoded(body: bytes) -> MultiDict[str, str]:
    """The fields of `a=1&b=2`, in order; empty values too. Raises `TooLarge`."""
    if body.count(b"&") >= FORM_FIELDS:
        raise TooLarge(f"The form holds more than {FORM_FIELDS} fields.")
    fields = []
    for number, field in enumerate(body.split(b"&")):
        if not number % 100:
            time.sleep(0)
        if field:
            name, _, value = field.partition(b"=")
            fields.append((_decoded(name), _decoded(value)))
    return MultiDict(fields)


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


def _decoded(text: bytes) -> str:
    """A name or value: plus signs are spaces, and what is escaped is UTF-8."""
    if len(text) <= SLICE:
        return unquote_to_bytes(text.replace(b"+", b" ")).decode(errors="replace")
    pieces, at = [], 0
    while at < len(text):
        end = at + SLICE
        cut = text.rfind(b"%", end - ESCAPE + 1, end)  # an escape is not cut in two
        end = cut if cut > at and end < len(text) else end
        pieces.append(unquote_to_bytes(text[at:end].replace(b"+", b" ")))
        at = end
        time.sleep(0)
    return b"".join(pieces).decode(errors="replace")
