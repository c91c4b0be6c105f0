"""Exported sessions in tests: a session that stands where an export ended, and its turns, to be run again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pumice.agents.agent import Agent
from pumice.agents.failures import Failure
from pumice.agents.json_text import loads
from pumice.agents.messages import Message
from pumice.agents.session_file import (
    Header,
    Line,
    Metadata,
    Stand,
    Start,
    StoredInteraction,
    StoredMessage,
    decode_body,
    from_text,
    read_session,
    to_text,
)
from pumice.agents.states import FailureCode
from pumice.testing.interactions import Planned, RecordedInteraction, StoredSession
from pumice.testing.store import InMemoryStore

RAN = {"done", "failed", "dead"}
ENDED = {FailureCode.HANDLER, FailureCode.TIMEOUT, FailureCode.SERIALIZATION}


@dataclass(slots=True)
class SessionFile:
    """What an exported file holds."""

    header: Header
    metadata: dict[str, Any] = field(default_factory=dict)
    start: Stand | None = None
    messages: list[StoredMessage] = field(default_factory=list)
    interactions: list[StoredInteraction] = field(default_factory=list)

    def said(self, stand: Stand | None) -> list[Message]:
        """The conversation at a point."""
        spans = [] if stand is None else stand.conversation
        found = (one for one in self.messages if any(first <= one.seq < stop for first, stop in spans))
        return [Message(one.role, one.content, one.data) for one in found]

    @property
    def ended(self) -> datetime:
        """The time at which the file ends: when the last thing in it happened."""
        times = [one.finished_at or one.accepted_at for one in self.interactions]
        return max([self.header.updated_at if self.header.at is None else self.header.created_at, *times])


def read_file(path: Path) -> SessionFile:
    """Read an exported file. Raises `BadSessionFile`, and `OSError` for one that is not there."""
    with path.open("rb") as stream:
        return _collected(line for _, line in read_session(stream))


def fill(store: InMemoryStore, file: SessionFile) -> StoredSession:
    """Put a session into a test's store as it stands at the end of its file, with the interactions that it had."""
    header = file.header
    session = store.session(header.session_id)
    session.exists, session.temporary, session.created_at = True, header.temporary, header.created_at
    session.timezone = header.timezone
    session.metadata = file.metadata
    seat(session, header.point, file.said(header.point))
    for line in file.interactions:
        _recall(store, session, line)
    return session


def seat(session: StoredSession, stand: Stand | None, messages: list[Message]) -> None:
    """Have a session stand at a point; at none, it is new."""
    session.state = None if stand is None or stand.state is None else to_text(stand.state)
    session.messages = messages


@dataclass(frozen=True, slots=True)
class TurnResult:
    """What a turn left, in a form that shows in a failed assertion where two differ.

    result: a chat's message, a hook's response, or what a method returned. error: the type of what was raised.
    messages: what was added to the conversation.
    """

    status: str
    result: Any
    error: str | None
    state: Mapping[str, Any] | None
    messages: list[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class RecordedTurn:
    """A turn of an exported session: what it was asked, what stood before it, and what it left."""

    agent: type[Agent]
    file: SessionFile
    line: StoredInteraction
    before: Stand | None
    number: int

    def __str__(self) -> str:
        what = f"{self.line.kind}-{self.line.name}" if self.line.name else str(self.line.kind)
        return f"{self.number}-{what}"

    @property
    def recorded(self) -> TurnResult:
        """What it left when it was recorded."""
        left = self.line.point
        error = self.line.errors[-1] if self.line.errors and self.line.status != "done" else None
        return TurnResult(
            str(self.line.status),
            self.line.result,
            None if error is None else str(error.get("type")),
            None if left is None else left.state,
            self._added(self.file.said(left)) if left is not None else [],
        )

    def replay(self) -> TurnResult:
        """Run it on today's code, from where the session stood before it."""
        from pumice.testing.backend import Backend  # noqa: PLC0415 (which puts files into its store)

        return Backend(self.agent, now=self.line.started_at or self.line.accepted_at).replay(self)

    def left(self, session: StoredSession, one: RecordedInteraction) -> TurnResult:
        """What it left in a test's session."""
        error = one.errors[-1].type if one.errors and one.status != "done" else None
        result = None if one.result is None else from_text(one.result)
        state = None if session.state is None else from_text(session.state)
        return TurnResult(one.status, result, error, state, self._added(session.messages))

    def _added(self, messages: list[Message]) -> list[tuple[str, Any]]:
        replaced = self.line.kind == "chat" and self.line.payload.get("history") == "replace"
        before = 0 if replaced else len(self.file.said(self.before))
        return [(one.role, one.content) for one in messages[before:]]


class Recording:
    """An exported session, to be replayed turn by turn."""

    def __init__(self, file: SessionFile, agent: type[Agent]) -> None:
        self.file = file
        self._agent = agent

    @property
    def turns(self) -> list[RecordedTurn]:
        """The turns that can be run again: those that ran, and before which it is known how the session stood."""
        found = []
        before, is_known = self.file.start, self.file.start is not None or self._is_whole()
        stood = 0 if before is None else before.number
        for number, line in enumerate(sorted(self.file.interactions, key=_place(self.file.interactions)), 1):
            if line.point is None:
                continue
            follows = is_known and line.point.number in {
                stood + 1,
                stood + _attempts(line),
            }  # or one is missing between
            if follows and line.point.has_state and line.status in RAN and line.kind != "restore":
                found.append(RecordedTurn(self._agent, self.file, line, before, number))
            before, is_known, stood = line.point, line.point.has_state, line.point.number
        return found

    def _is_whole(self) -> bool:
        """Whether the file has the session's first turn."""
        return any(line.point is not None and line.point.number == 1 for line in self.file.interactions)


def recording(path: str, agent: type[Agent], *, beside: str | Path | None = None) -> Recording:
    """Read an exported session to replay it. beside: a file whose folder the path is relative to: `__file__`."""
    return Recording(read_file(Path(path) if beside is None else Path(beside).parent / path), agent)


def _collected(lines: Iterable[Line]) -> SessionFile:
    iterator = iter(lines)
    header = next(iterator)
    assert isinstance(header, Header)  # noqa: S101 (the reader gives no other line first)
    file = SessionFile(header)
    for line in iterator:
        if isinstance(line, Metadata):
            file.metadata = dict(line.metadata)
        elif isinstance(line, Start):
            file.start = line.point
        elif isinstance(line, StoredMessage):
            file.messages.append(line)
        elif isinstance(line, StoredInteraction):
            file.interactions.append(line)
    return file


def _place(lines: list[StoredInteraction]) -> Any:
    """The order in which interactions left their points; those that left none come after the one before them."""
    places: dict[str, int] = {}
    last = 0
    for line in lines:
        last = places[line.id] = last if line.point is None else line.point.number
    return lambda line: places[line.id]


def _attempts(line: StoredInteraction) -> int:
    """How many of an interaction's attempts ended: each counts as a turn. One that took its worker with it did not."""
    ended = sum(error.get("code") in ENDED for error in line.errors or ())
    return ended + (line.status == "done")


def _recall(store: InMemoryStore, session: StoredSession, line: StoredInteraction) -> None:
    """Put an interaction of a file into a test's store. One that was queued is queued there too."""
    is_call = line.kind == "call"
    due = line.available_at or line.accepted_at
    one = store.recall(
        RecordedInteraction(
            line.id,
            0,
            session,
            str(line.kind),
            line.name,
            to_text(line.payload),
            line.accepted_at,
            due,
            body=decode_body(line),
            scheduled_for=line.scheduled_for,
            made_by=session if is_call else None,
            status=str(line.status),
            reason=line.reason,
            attempts=line.attempts,
            errors=[_failure(str(line.status), one) for one in line.errors or ()],
            result=None if line.result is None else to_text(line.result),
        )
    )
    if is_call and one.status == "queued":
        given = loads(one.payload)
        planned = Planned(session.id, one.name or "", tuple(given["args"]), given["kwargs"], due, 0.0, one.accepted_at)
        store.plan(one, planned)


def _failure(status: str, error: Mapping[str, Any]) -> Failure:
    code = str(error.get("code"))
    return Failure(
        status,
        str(error.get("type")),
        str(error.get("message", "")),
        str(error.get("traceback", "")),
        int(error.get("attempt", 1)),
        FailureCode(code) if code in list(FailureCode) else FailureCode.HANDLER,
        problem=error.get("problem"),
    )
