"""Importing a session from the file of another: all of it in one transaction, or nothing. Nothing runs.

Its interactions get ids of their own and keep their order. What was queued when the session was exported is cancelled:
a copy of a session must not do again what the session itself will do. The new session has no ancestors; messages that
it had from them are its own.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import psycopg

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
)
from pumice.agents.states import REASONS, Kind, Reason, Status
from pumice.errors import BadSessionFile, Conflict, InvalidField
from pumice.sessions.away import TOO_LARGE
from pumice.sessions.connections import StoreConnection, Transaction
from pumice.sessions.deltas import SAME, encode
from pumice.sessions.import_rows import INSERT, INTERACTIONS, MESSAGES, METADATA, SNAPSHOTS
from pumice.sessions.import_values import as_jsonb, as_text, check_state, stands
from pumice.sessions.keyframes import keep
from pumice.sessions.parameters import Blob, json_rows
from pumice.sessions.point_writer import NO_STATE, SPARE
from pumice.sessions.statements import Statement

if TYPE_CHECKING:
    from pumice.agents.agent import Agent

BATCH_ROWS = 200
BATCH_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class Imported:
    """The session that was made, and how much it has."""

    session_id: str
    snapshots: int
    messages: int
    interactions: int


def import_file(
    store: StoreConnection,
    agent_id: str,
    session_id: str | None,
    file: LineReader,
    *,
    cls: "type[Agent] | None" = None,
) -> Imported:
    """Make a session of an exported file. session_id: what it is to be called; as in the file without it.

    cls: the agent's class, which must be able to load the state at which the session stands.
    Raises `BadSessionFile`, which names the line, `Conflict` for an id that is taken, `StoreAwayError`.
    """
    lines = read_session(file, agent_id)
    first = next(lines, None)
    if first is None or not isinstance(first[1], Header):
        raise BadSessionFile
    if cls is not None:
        check_state(cls, first[1].point)
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
        self._number = 1

    def add(self, number: int, line: Line) -> None:
        """Add the next line. Raises `Conflict`, and `BadSessionFile` for what Postgres can't hold."""
        self._number = number
        if isinstance(line, Header):
            self._insert(line)
        elif isinstance(line, Metadata):
            self._fetch(METADATA, {**self._key, "metadata": as_jsonb(number, "metadata", line.metadata)})
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
        point, state = line.point, None if line.point.state is None else as_jsonb(1, "point.state", line.point.state)
        keyframe, base = None, None
        if state is not None:
            keyframe, base = keep(self._transaction, self._key["agent"], self._key["session"], point.number, state)
            self._keyframe = keyframe, state.encode(), len(base)
        told = {"state": state, "keyframe": keyframe, "base": base}
        kept = {"created_at": line.created_at, "quiet": line.quiet, "timezone": line.timezone}
        if not self._fetch(INSERT, {**self._key, **stands(point), **told, **kept}):
            raise Conflict(f"There is a session {self._key['session']!r} already.")

    def _message(self, line: StoredMessage) -> dict[str, Any]:
        return {
            "seq": line.seq,
            "role": line.role,
            "content": self._text("content", line.content),
            "data": None if line.data is None else self._text("data", line.data),
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
            "payload": self._text("payload", self._payload(line)),
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
            "result": None if line.result is None else self._text("result", line.result),
            "errors": as_jsonb(number, "errors", line.errors),
            "usage": as_jsonb(number, "usage", line.usage),
            "effects": None if line.effects is None else self._text("effects", line.effects),
            **({} if line.point is None else self._point(line.point)),
        }

    def _point(self, point: Stand) -> dict[str, Any]:
        """The columns of a point. Its state is told from the keyframe of the one before, while that is short."""
        told = stands(point)
        if not point.has_state:
            return told
        if point.state is None:
            return {**told, "keyframe": NO_STATE}
        state = as_jsonb(self._number, "point.state", point.state) or ""
        text = state.encode()
        delta = None if self._keyframe is None else encode(self._keyframe[1], text)
        if self._keyframe is None or delta is None or len(delta) > SPARE + self._keyframe[2] // 4:
            made, base = keep(self._transaction, self._key["agent"], self._key["session"], point.number, state)
            self._keyframe = made, text, len(base)
            delta = SAME
        delta_at, delta_size = self._batch.blob.add(delta)
        return {**told, "keyframe": self._keyframe[0], "delta_at": delta_at, "delta_size": delta_size}

    def _payload(self, line: StoredInteraction) -> dict[str, Any]:
        """The payload; of a restore, with the new ids of the interactions that it names."""
        if line.kind != Kind.RESTORE:
            return line.payload
        return {
            key: self._ids.get(value, value) if isinstance(value, str) else value for key, value in line.payload.items()
        }

    def _text(self, name: str, value: Any) -> str:
        return as_text(self._number, name, value)

    def _fetch(self, statement: Statement[Any], options: dict[str, Any]) -> list[Any]:
        """Run a statement. Raises `BadSessionFile`, with the last line that was read, for what Postgres can't hold."""
        try:
            return self._transaction.fetch(statement, options)
        except (psycopg.DataError, psycopg.IntegrityError, TOO_LARGE):
            raise BadSessionFile(self._number, "this line, or one before it, holds what can't be stored") from None

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
        self._fetch(batch.statement, options)
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
