"""An exported session: JSON lines, read and written one at a time. The format is told in docs/export.md.

Whole numbers of any size stay exact, and keys keep their order. A state that differs little from the last one that the
file told is written as that difference (`statePatch`, RFC 6902). The last line has a checksum, so that a file which was
cut off or changed is noticed.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeAlias

from pydantic import ValidationError

from pumice.agents.exact_json import from_text, to_text
from pumice.agents.json_patch import PatchError
from pumice.agents.session_checks import LineChecks, decode_body
from pumice.agents.session_lines import (
    KINDS,
    VERSION,
    End,
    Header,
    Line,
    Metadata,
    Snapshot,
    Stand,
    Start,
    StoredInteraction,
    StoredMessage,
)
from pumice.agents.told_states import LastState
from pumice.errors import BadSessionFile

Redact: TypeAlias = Callable[[dict[str, Any]], dict[str, Any] | None]
"""An author's `redact`."""

LONGEST_LINE = 64_000_000
"""Bytes of one line: an interaction may carry a body of 10 MB in base64, and a state."""
ORDER = ["", *KINDS]
SHOWN = 80


class LineReader(Protocol):
    """What lines are read from: a file, or what stands for one."""

    def readline(self, size: int, /) -> bytes:
        """The next line, or as much of it as `size` bytes; nothing at the end."""


class SessionWriter:
    """Makes the lines of a file. redact: what an author's agent leaves of each."""

    def __init__(self, redact: Redact | None = None) -> None:
        self._redact = redact
        self._hash = hashlib.sha256()
        self._counts = dict.fromkeys(("snapshot", "message", "interaction"), 0)
        self._states = LastState()
        self._number = 0

    def line(self, line: Line) -> bytes:
        """The next line, with its line break; nothing for one that was left out.

        Raises `BadSessionFile` for what `redact` made of it, if that is not such a line any more.
        """
        self._number += 1
        document = line.document()
        if self._redact is not None:
            left = self._redacted(self._redact, document)
            if left is None and not isinstance(line, Header):
                return b""
            document = _checked(type(line), left, self._number, "what redact() returned").document()
        kind = document.get("type", "")
        if kind in self._counts:
            self._counts[kind] += 1
        return self._written(document)

    def end(self) -> bytes:
        """The last line."""
        self._number += 1
        counts = {f"{kind}s": count for kind, count in self._counts.items()}
        return self._written(End(type="end", **counts, sha256=self._hash.hexdigest()).document())

    def _redacted(self, redact: Redact, document: dict[str, Any]) -> dict[str, Any] | None:
        try:
            return redact(document)
        except BaseException as error:  # an author's code, which raises anything
            raise BadSessionFile(self._number, f"redact() raised {type(error).__name__}") from error

    def _written(self, document: dict[str, Any]) -> bytes:
        if isinstance(point := document.get("point"), dict):
            document = {**document, "point": self._states.told(point)}
        try:
            written = to_text(document).encode() + b"\n"
        except (ValueError, TypeError) as error:
            raise BadSessionFile(self._number, f"can't be written as JSON: {error}") from None
        self._hash.update(written)
        return written


def read_session(stream: LineReader, agent_id: str | None = None) -> Iterator[tuple[int, Line]]:
    """The lines of a file with their numbers, counted from 1, each checked. States are whole.

    agent_id: whose session it must be. Raises `BadSessionFile`, which names the line.
    """
    reader = _Reader(agent_id)
    number = 0
    for number, raw in enumerate(iter(lambda: stream.readline(LONGEST_LINE + 1), b""), 1):
        yield number, reader.line(number, raw)
    if not reader.ended:
        raise BadSessionFile(number + 1, "the file ends before its last line: it was cut off")


class _Reader:
    """Checks lines as they come: their form, their order, their counts and their checksum."""

    def __init__(self, agent_id: str | None) -> None:
        self.ended = False
        self._checks = LineChecks(agent_id)
        self._hash = hashlib.sha256()
        self._states = LastState()
        self._place = 0
        self._counts = dict.fromkeys(KINDS, 0)

    def line(self, number: int, raw: bytes) -> Line:
        """Read the next line. Raises `BadSessionFile`."""
        if self.ended:
            raise BadSessionFile(number, "nothing may come after the line `end`")
        if len(raw) > LONGEST_LINE:
            raise BadSessionFile(number, f"a line must not be longer than {LONGEST_LINE} bytes")
        document = _object(number, raw)
        kind = self._kind(number, document)
        self._expand(number, document)
        line = _checked(KINDS.get(kind, Header), document, number, "the line")
        self._checks.check(number, line)
        if isinstance(line, End):
            self._check_end(number, line)
        self._hash.update(raw)
        return line

    def _kind(self, number: int, document: dict[str, Any]) -> str:
        """The line's type; empty for the first. Raises `BadSessionFile` for one that does not come here."""
        if number == 1:
            _check_format(document)
            return ""
        kind = document.get("type")
        if kind == "error":
            raise BadSessionFile(number, f"the export was not finished: {_short(document.get('detail'))}")
        if kind not in KINDS:
            raise BadSessionFile(number, f"type: must be one of {', '.join(KINDS)}, not {_short(kind)}")
        place = ORDER.index(kind)
        if place < self._place or (place == self._place and kind in {"metadata", "start"}):
            raise BadSessionFile(number, f"a line of type {kind} must not come after one of type {ORDER[self._place]}")
        self._place = place
        self._counts[kind] += 1
        return str(kind)

    def _expand(self, number: int, document: dict[str, Any]) -> None:
        if isinstance(point := document.get("point"), dict):
            try:
                document["point"] = self._states.read(point)
            except PatchError as error:
                raise BadSessionFile(number, f"point.statePatch: {error}") from None

    def _check_end(self, number: int, line: End) -> None:
        for kind in ("snapshot", "message", "interaction"):
            told = getattr(line, f"{kind}s")
            if told != self._counts[kind]:
                raise BadSessionFile(number, f"{kind}s: {told} are counted, and there are {self._counts[kind]}")
        if line.sha256 != self._hash.hexdigest():
            raise BadSessionFile(number, "sha256: the lines before are not those that were exported")
        self.ended = True


def _check_format(document: dict[str, Any]) -> None:
    """Raise `BadSessionFile` unless the first line says that this is a file of this format and of a known version."""
    if document.get("pumice") != "session":
        raise BadSessionFile(1, 'this is no exported session: its first line must have "pumice": "session"')
    version = document.get("version")
    if isinstance(version, int) and not isinstance(version, bool) and version > VERSION:
        raise BadSessionFile(1, f"it is of version {version}, and this release reads {VERSION}: upgrade Pumice")


def _object(number: int, raw: bytes) -> dict[str, Any]:
    if not raw.endswith(b"\n"):
        raise BadSessionFile(number, "it has no line break at its end: the file was cut off")
    try:
        document = from_text(raw.decode())
        if b"\\u" in raw:
            to_text(document).encode()  # raises for half a surrogate pair
    except UnicodeError as error:
        raise BadSessionFile(number, f"is not valid Unicode: {error.reason}") from None  # type: ignore[attr-defined]
    except ValueError as error:
        raise BadSessionFile(number, f"is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise BadSessionFile(number, "must be a JSON object")
    return document


def _checked(kind: type[Line], document: Any, number: int, what: str) -> Line:
    """The document as a line of this kind. Raises `BadSessionFile`."""
    if not isinstance(document, dict):
        raise BadSessionFile(number, f"{what} must be an object, not {_short(document)}")
    try:
        return kind.model_validate(document, by_alias=True, by_name=False)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise BadSessionFile(number, f"{what} does not fit: {where + ': ' if where else ''}{message}") from None


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}…"


__all__ = [
    "End", "Header", "Line", "Metadata", "Redact", "SessionWriter", "Snapshot", "Stand", "Start",
    "StoredInteraction", "StoredMessage", "decode_body", "from_text", "read_session", "to_text",
]  # fmt: skip
