"""Rows as parameters of a statement: one JSON array, and one block of bytes for what is large.

An array parameter for each column costs a hundred rows six times as much: psycopg escapes each of their values in
Python (see docs/decisions.md). In SQL: `json_to_recordset(%(rows)s::json) as r(name type, …)`, and
`substring(%(bytes)b::bytea from r.at for r.size)`.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson


def json_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows as a JSON array of objects."""
    return orjson.dumps(list(rows)).decode()


class Blob:
    """The bytes of many values, one after the other, as one binary parameter: nothing in it is escaped."""

    def __init__(self) -> None:
        self._services: list[bytes] = []
        self._size = 0

    def add(self, value: bytes | None) -> tuple[int | None, int | None]:
        """Append a value. Returns where it begins, counted from 1 as SQL does, and its size; None for none."""
        if value is None:
            return None, None
        start = self._size + 1
        self._services.append(value)
        self._size += len(value)
        return start, len(value)

    @property
    def value(self) -> bytes:
        """All of it."""
        return b"".join(self._services)
