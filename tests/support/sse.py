"""Reading server-sent events (WHATWG HTML, "Server-sent events")."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SseEvent:
    """One event: its id and type, and its data parsed as JSON."""

    id: str
    type: str
    data: dict[str, Any]


def read_events(lines: Iterable[str]) -> Iterator[SseEvent]:
    """The events in these lines; comments are left out."""
    fields: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield SseEvent(fields["id"], fields["event"], json.loads(fields["data"]))
            fields = {}
