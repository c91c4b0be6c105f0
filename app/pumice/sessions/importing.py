"""Importing a session from the file of another: all of it in one transaction, or nothing. Nothing runs.

Its interactions get ids of their own and keep their order. What was queued when the session was exported is cancelled:
a copy of a session must not do again what the session itself will do. The new session has no ancestors; messages that
it had from them are its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from pumice.agents.context import new_id
from pumice.agents.names import checked_session_id, is_temporary_id
from pumice.agents.session_file import (
    End,
    Header,
    Line,
    LineReader,
    Metadata,
    Snapshot,
    Stand,
    StoredInteraction,
    StoredMessage,
    decode_body,
    read_session,
    to_text,
)
from pumice.agents.states import REASONS, Reason, Status
from pumice.errors import BadSessionFile, Conflict, InvalidField
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.conversation import OWN
from pumice.sessions.deltas import SAME, encode
from pumice.sessions.import_rows import INSERT, INTERACTIONS, MESSAGES, METADATA, SNAPSHOTS
from pumice.sessions.keyframes import keep
from pumice.sessions.parameters import Blob, json_rows
from pumice.sessions.point_writer import NO_STATE, SPARE
from pumice.sessions.statements import Statement

BATCH_ROWS = 200
BATCH_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class Imported:
    """The session that was made, and how much it has."""

    session_id: str
    snapshots: int
    messages: int
    interactions: int


def import_file(store: StoreConnection, agent_id: str, session_id: str | None, file: LineReader) -> Imported:
    """Make a session of an exported file. session_id: what it is to be called; as in the file without it.

    Raises `BadSessionFile`, which names the line, `Conflict` for an id that is taken, `StoreAwayError`.
    """
    lines = read_session(file, agent_id)
    first = next(lines, None)
    if first is None or not isinstance(first[1], Header):
        raise BadSessionFile
    return _import_lines(store, agent_id, _chosen_id(session_id, first[1]), chain([first], lines))


def _import_lines(
    store: StoreConnection, agent_id: str, session_id: str, lines: Iterable[tuple[int, Line]]
) -> Imported:
    """Make a session of the lines of a file, which are checked as they are read. Raises as `import_file` does."""
    with store.transaction() as transaction:
        made = _Import(transaction, agent_id, session_id)
        for number, line in lines:
            made.add(number, line)
        return made.finish()


@dataclass(slots=True)
class _Batch:
    """Rows that go into one statement."""

    statement: Statement[Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    blob: Blob = field(default_factory=Blob)
    size: int = 0


class _Import:
    """Adds lines to a new session, many rows with one statement."""

    def __init__(self, transaction: Transaction, agent_id: str, session_id: str) -> None:
        self._transaction = transaction
        self._key = {"agent": agent_id, "session": session_id}
        self._ids: dict[str, str] = {}
        self._batch = _Batch(MESSAGES)
        self._counts = {MESSAGES.name: 0, SNAPSHOTS.name: 0, INTERACTIONS.name: 0}
        self._keyframe: tuple[int, bytes, int] | None = None

    def add(self, number: int, line: Line) -> None:
        """Add the next line. Raises `Conflict`, and `BadSessionFile` for what Postgres can't hold."""
        if isinstance(line, Header):
            self._insert(line)
        elif isinstance(line, Metadata):
            self._transaction.fetch(METADATA, {**self._key, "metadata": _jsonb(number, "metadata", line.metadata)})
        elif isinstance(line, StoredMessage):
            self._use(MESSAGES)
            self._put(self._message(line))
        elif isinstance(line, Snapshot):
            self._use(SNAPSHOTS)
            named = {"name": line.name, "note": line.note, "created_at": line.created_at}
            self._put({**named, "interaction": self._known(line.interaction_id), **self._point(line.point)})
        elif isinstance(line, StoredInteraction):
            self._use(INTERACTIONS)
            self._put(self._interaction(number, line))
        elif isinstance(line, End):
            self._flush()

    def finish(self) -> Imported:
        """What was made."""
        counts = self._counts
        return Imported(
            str(self._key["session"]), counts[SNAPSHOTS.name], counts[MESSAGES.name], counts[INTERACTIONS.name]
        )

    def _insert(self, line: Header) -> None:
        point, state = line.point, None if line.point.state is None else to_text(line.point.state)
        keyframe, base = None, None
        if state is not None:
            keyframe, base = keep(self._transaction, self._key["agent"], self._key["session"], point.number, state)
            self._keyframe = keyframe, state.encode(), len(base)
        told = {"state": state, "keyframe": keyframe, "base": base, "created_at": line.created_at, "quiet": line.quiet}
        if not self._transaction.fetch(INSERT, {**self._key, **_stands(point), **told}):
            raise Conflict(f"There is a session {self._key['session']!r} already.")

    def _message(self, line: StoredMessage) -> dict[str, Any]:
        return {
            "seq": line.seq,
            "role": line.role,
            "content": to_text(line.content),
            "data": _text(line.data),
            "interaction": self._new(line.interaction_id),
            "created_at": line.created_at,
        }

    def _interaction(self, number: int, line: StoredInteraction) -> dict[str, Any]:
        body_at, body_size = self._batch.blob.add(decode_body(line))
        queued = line.status == Status.QUEUED
        return {
            "place": len(self._batch.rows),
            "id": self._new(line.id),
            "kind": line.kind,
            "name": line.name,
            "payload": to_text(line.payload),
            "body_at": body_at,
            "body_size": body_size,
            "status": Status.CANCELLED if queued else line.status,
            "reason": REASONS[Reason.EXPORTED] if queued else line.reason,
            "reason_code": Reason.EXPORTED if queued else line.reason_code,
            "superseded": self._known(line.superseded_by),
            "attempts": line.attempts,
            "accepted_at": line.accepted_at,
            "scheduled_for": line.scheduled_for,
            "started_at": line.started_at,
            "finished_at": line.finished_at,
            "result": _text(line.result),
            "errors": _jsonb(number, "errors", line.errors),
            "usage": _jsonb(number, "usage", line.usage),
            "effects": _text(line.effects),
            **({} if line.point is None else self._point(line.point)),
        }

    def _point(self, point: Stand) -> dict[str, Any]:
        """The columns of a point. Its state is told from the keyframe of the one before, while that is short."""
        told = _stands(point)
        if not point.has_state:
            return told
        if point.state is None:
            return {**told, "keyframe": NO_STATE}
        state = to_text(point.state)
        text = state.encode()
        delta = None if self._keyframe is None else encode(self._keyframe[1], text)
        if self._keyframe is None or delta is None or len(delta) > SPARE + self._keyframe[2] // 4:
            made, base = keep(self._transaction, self._key["agent"], self._key["session"], point.number, state)
            self._keyframe = made, text, len(base)
            delta = SAME
        delta_at, delta_size = self._batch.blob.add(delta)
        return {**told, "keyframe": self._keyframe[0], "delta_at": delta_at, "delta_size": delta_size}

    def _new(self, old: str) -> str:
        """The new id of an interaction. Ids are made in the order in which they are first met."""
        if old not in self._ids:
            self._ids[old] = new_id()
        return self._ids[old]

    def _known(self, old: str | None) -> str | None:
        return None if old is None else self._new(old)

    def _use(self, statement: Statement[Any]) -> None:
        """Have the batch be one of this statement's."""
        batch = self._batch
        if batch.statement is not statement or len(batch.rows) >= BATCH_ROWS or batch.size >= BATCH_BYTES:
            self._flush()
            self._batch = _Batch(statement)

    def _put(self, row: dict[str, Any]) -> None:
        self._batch.rows.append(row)
        self._batch.size += sum(len(value) for value in row.values() if isinstance(value, str))
        self._batch.size += (row.get("body_size") or 0) + (row.get("delta_size") or 0)

    def _flush(self) -> None:
        batch = self._batch
        if not batch.rows:
            return
        options: dict[str, Any] = {**self._key, "rows": json_rows(batch.rows)}
        if batch.statement is not MESSAGES:
            options["bytes"] = batch.blob.value
        self._transaction.fetch(batch.statement, options)
        self._counts[batch.statement.name] += len(batch.rows)
        self._batch = _Batch(batch.statement)


def _chosen_id(session_id: str | None, header: Header) -> str:
    """The id that was asked for, else the file's. Raises `BadSessionFile` for one that no session can get."""
    if session_id is not None:
        return session_id
    if is_temporary_id(header.session_id):
        raise BadSessionFile(1, "sessionId: is a temporary session's; name another with ?sessionId= or --session")
    try:
        return checked_session_id(header.session_id)
    except InvalidField as problem:
        raise BadSessionFile(1, str(problem)) from None


def _stands(point: Stand) -> dict[str, Any]:
    *before, (first, stop) = point.conversation
    return {
        "point": point.number,
        "state_version": point.state_version,
        "code_version": point.code_version,
        "history_start": first,
        "message_count": stop,
        "transcript": to_text([[OWN, *span] for span in before]) if before else None,
    }


def _text(value: Any) -> str | None:
    return None if value is None else to_text(value)


def _jsonb(number: int, name: str, value: Any) -> str | None:
    """A value for a column of type jsonb. Raises `BadSessionFile` for NUL characters, which that can't hold."""
    text = _text(value)
    if text is not None and "\\u0000" in text:
        raise BadSessionFile(number, f"{name}: must not hold NUL characters")
    return text
