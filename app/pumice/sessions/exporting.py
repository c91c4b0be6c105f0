"""Exporting a session: everything that there is of it up to a point, as the lines of a file.

It is read page by page, with a connection for one page only, so that neither a long history nor a slow reader costs
memory or holds a connection. What happens in the session meanwhile is not in the file: it ends at the point where the
export began.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, TypeAlias

from pumice.agents.session_file import Header, Line, Metadata, Redact, SessionWriter, Stand, Start, from_text, to_text
from pumice.errors import BadSessionFile, PrunedPoint, UnknownPoint, UnknownSession
from pumice.sessions import export_rows as rows
from pumice.sessions.connections import StoreConnection
from pumice.sessions.conversation import OWN, Part, inherited
from pumice.sessions.forks import FORK_PREFIX
from pumice.sessions.parameters import json_rows
from pumice.sessions.points import Point, resolve

Borrow: TypeAlias = Callable[[], AbstractContextManager[StoreConnection]]
"""Lends a connection for a page."""


class Export:
    """The export of one session. Made when its point is found; `lines` reads the rest.

    Raises `UnknownSession`, `UnknownPoint`, `PrunedPoint`, `StoreAwayError`.
    """

    def __init__(self, borrow: Borrow, agent_id: str, session_id: str, at: str | None, redact: Redact | None) -> None:
        """redact: what the agent leaves of each line; None writes everything."""
        self._borrow = borrow
        self._agent_id, self._session_id, self._at = agent_id, session_id, at
        self._writer = SessionWriter(redact)
        with borrow() as store:
            self._point = resolve(store, agent_id, session_id, at)
            self._start = self._found_start(store)
            self._row = self._session(store)
        self._key = {"agent": agent_id, "session": self._point.session_id, "point": self._point.point}

    def lines(self) -> Iterator[bytes]:
        """The file, line by line. Raises `BadSessionFile` for what `redact` spoils, and `StoreAwayError`."""
        yield self._writer.line(self._header())
        yield from filter(None, map(self._writer.line, self._all()))
        yield self._writer.end()

    def lines_or_error(self) -> Iterator[bytes]:
        """The file for a client that has been promised one: when it can't be finished, its last line says so.

        That line has `"type": "error"`, and such a file can't be imported. Raises `BadSessionFile` for what `redact`
        makes of the first line, before which nothing was promised.
        """
        lines = self.lines()
        yield next(lines)
        try:
            yield from lines
        except BadSessionFile as problem:
            yield to_text({"type": "error", "detail": str(problem)}).encode() + b"\n"

    def _all(self) -> Iterator[Line]:
        """All that comes after the first line."""
        yield Metadata(type="metadata", metadata=self._row.metadata)
        if self._start is not None:
            yield self._start_line(self._start)
        yield from self._snapshots()
        yield from self._messages()
        yield from self._interactions()

    def _session(self, store: StoreConnection) -> rows.ExportedSession:
        key: dict[str, Any] = {"agent": self._agent_id, "session": self._session_id, "owner": self._point.session_id}
        key["interaction"] = self._point.interaction_id
        found = store.fetch(rows.SESSION, key, again=True)
        if not found:
            raise UnknownSession
        return found[0]

    def _found_start(self, store: StoreConnection) -> Point | None:
        """Where a fork began; None for a session that is none, or whose beginning is not known any more."""
        owner = self._point.session_id
        try:
            return resolve(store, self._agent_id, owner, FORK_PREFIX + owner)
        except (UnknownSession, UnknownPoint, PrunedPoint):
            return None

    def _header(self) -> Header:
        row = self._row
        return Header(
            pumice="session",
            version=1,
            agent=self._agent_id,
            session_id=self._session_id,
            exported_at=datetime.now(UTC),
            at=self._at,
            temporary=row.temporary,
            quiet=row.quiet,
            timezone=row.timezone,
            created_at=row.created_at,
            updated_at=row.updated_at,
            point=_stand(self._point),
        )

    def _start_line(self, start: Point) -> Start:
        point = _stand(start)
        return Start(type="start", session_id=start.session_id, interaction_id=start.interaction_id, point=point)

    def _snapshots(self) -> Iterator[Line]:
        after = ""
        while True:
            with self._borrow() as store:
                options = {**self._key, "after": after, "limit": rows.PAGE_ROWS}
                page = store.fetch(rows.SNAPSHOTS, options, again=True)
                keyframes = self._keyframes(store, page)
            yield from (rows.snapshot_line(row, keyframes) for row in page)
            if len(page) < rows.PAGE_ROWS:
                return
            after = page[-1].name

    def _messages(self) -> Iterator[Line]:
        after = -1
        with self._borrow() as store:
            parts = self._parts(store)
        told = json_rows({"line": line, "first": first, "stop": stop} for line, first, stop in parts)
        while True:
            with self._borrow() as store:
                options = {**self._key, "parts": told, "after": after, **_page()}
                page = store.fetch(rows.MESSAGES, options, again=True)
            yield from map(rows.message_line, page)
            if not page:
                return
            after = page[-1].seq

    def _parts(self, store: StoreConnection) -> list[Part]:
        """All messages that some exported point has, as parts that do not overlap."""
        found = [*self._point.parts, (OWN, 0, self._point.message_count)]
        for row in store.fetch(rows.TRANSCRIPTS, self._key, again=True):
            found.extend(row.transcript)
        if self._start is not None and self._start.line is not None:
            found.extend(inherited(self._start.parts, self._start.line))
        own = {OWN, self._row.line}
        return _united([(OWN if line in own else line, first, stop) for line, first, stop in found])

    def _interactions(self) -> Iterator[Line]:
        after = 0
        until = None if self._at is None else self._row.until or self._point.at
        while True:
            with self._borrow() as store:
                options = {**self._key, "after": after, "newest": self._row.newest or 0, "until": until, **_page()}
                page = store.fetch(rows.INTERACTIONS, options, again=True)
                keyframes = self._keyframes(store, page)
            yield from (rows.interaction_line(row, keyframes) for row in page)
            if not page:
                return
            after = page[-1].seq

    def _keyframes(self, store: StoreConnection, page: Any) -> dict[int, bytes]:
        ids = sorted({row.keyframe for row in page if row.keyframe})
        key = {"agent": self._agent_id, "session": self._point.session_id, "ids": ids}
        return rows.unpacked(store.fetch(rows.KEYFRAMES, key, again=True)) if ids else {}


def _page() -> dict[str, int]:
    return {"limit": rows.PAGE_ROWS, "bytes": rows.PAGE_BYTES}


def _stand(point: Point) -> Stand:
    return Stand(
        number=point.point,
        state=None if point.state is None else from_text(point.state),
        state_version=point.state_version,
        code_version=point.code_version,
        conversation=rows.spans(point.parts),
    )


def _united(parts: list[tuple[int, int, int]]) -> list[Part]:
    """Parts that hold the same messages, each once."""
    found: list[list[int]] = []
    for line, first, stop in sorted(parts):
        if found and found[-1][0] == line and first <= found[-1][2]:
            found[-1][2] = max(found[-1][2], stop)
        elif stop > first:
            found.append([line, first, stop])
    return list(found)
