"""Heads of plain requests, read by llhttp (httptools), which takes a tenth of the time of gunicorn's parser in Python.

A head is plain if it came whole, names a path, and has none of the rare features in which parsers differ. Whatever is
not plain is left to gunicorn, and so is whatever is wrong: there is one answer to each mistake, gunicorn's. The same
holds for all heads where httptools is not installed.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

try:
    import httptools
except ImportError:
    httptools = None  # type: ignore[assignment]

PLAIN_METHODS: Final = {name.encode(): name for name in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")}
VERSIONS: Final = {"1.1": (1, 1), "1.0": (1, 0)}
NOT_PLAIN: Final = frozenset({"TRANSFER-ENCODING", "EXPECT", "UPGRADE"})
"""Headers that decide how a connection goes on: gunicorn reads those."""
SINGLE: Final = frozenset({"HOST", "CONTENT-TYPE", "CONTENT-LENGTH"})
"""Headers that may stand once only."""
TARGET: Final = re.compile(rb"/(?!/)[\x21\x22\x24-\x7e]*")
"""A path and its query (RFC 9112, section 3.2.1), without a fragment."""
END: Final = b"\r\n\r\n"
FIELD_OVERHEAD: Final = len(": \r\n")
NAMES_REMEMBERED: Final = 500

_names: dict[bytes, str] = {}


@dataclass(slots=True)
class PlainHead:
    """A head: its fields as gunicorn's `Request` has them, and how many bytes it took."""

    method: str
    uri: str
    version: tuple[int, int]
    size: int
    headers: list[tuple[str, str]] = field(default_factory=list)


class _Collector:
    """What httptools calls."""

    __slots__ = ("complete", "fields", "target")

    def __init__(self) -> None:
        self.target = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_url(self, piece: bytes) -> None:
        self.target += piece

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.complete = True


def read_plain_head(data: bytes, limits: Any) -> PlainHead | None:
    """Read the head at the start of what came on a connection, if it is plain.

    limits: has gunicorn's `limit_request_line`, `limit_request_fields` and `limit_request_field_size`.
    """
    end, line = data.find(END), data.find(b"\r\n")
    if httptools is None or end < 0 or line > limits.limit_request_line or not data[:1].isupper():
        return None
    size = end + len(END)
    collector = _Collector()
    parser = httptools.HttpRequestParser(collector)
    try:
        parser.feed_data(data[:size])
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    method = PLAIN_METHODS.get(parser.get_method())
    version = VERSIONS.get(parser.get_http_version())
    if not collector.complete or method is None or version is None or not TARGET.fullmatch(collector.target):
        return None
    head = PlainHead(method, collector.target.decode("latin-1"), version, size)
    return head if _take_headers(head, collector.fields, limits) else None


def _take_headers(head: PlainHead, fields: list[tuple[bytes, bytes]], limits: Any) -> bool:
    """Take over the headers. Returns whether they are plain."""
    if len(fields) > limits.limit_request_fields:
        return False
    most, seen = limits.limit_request_field_size - FIELD_OVERHEAD, set()
    for raw_name, raw_value in fields:
        name = _names.get(raw_name) or _remember(raw_name)
        if name in SINGLE:
            if name in seen:
                return False
            seen.add(name)
        if name in NOT_PLAIN or "_" in name or b"\n" in raw_value or len(raw_name) + len(raw_value) > most:
            return False
        head.headers.append((name, raw_value.decode("latin-1").strip(" \t")))
    return True


def _remember(raw: bytes) -> str:
    """A header's name, as gunicorn writes it."""
    if len(_names) >= NAMES_REMEMBERED:
        _names.clear()
    name = _names[raw] = raw.decode("latin-1").upper()
    return name
