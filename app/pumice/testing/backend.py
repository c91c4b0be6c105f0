"""Serving one agent in a test's own process: its store, the running of its turns, and its sessions."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from pumice.agents.agent import Agent
from pumice.agents.names import checked_session_id
from pumice.agents.session_file import decode_body, to_text
from pumice.agents.spec import AgentSpec, describe
from pumice.agents.state_text import write_state
from pumice.testing.agent_session import AgentSession
from pumice.testing.interactions import StoredSession
from pumice.testing.progress import Progress
from pumice.testing.recorded import RecordedTurn, SessionFile, TurnResult, fill, seat
from pumice.testing.store import InMemoryStore, NewInteraction
from pumice.testing.turns import Turns

TEMPORARY = "temporary"
"""The session id in a test that names none; a second one has a number."""


def session(
    agent: type[Agent],
    session_id: str | None = None,
    *,
    state: BaseModel | Mapping[str, Any] | None = None,
    now: datetime | None = None,
    time_limits: bool = True,
) -> AgentSession:
    """A session of the agent: a new one or, given a `state`, one that `setup` has already run on.

    Without a `session_id` it is temporary, until a hook's selector selects one for it.
    now: what its clock says at first (the time of day unless given). time_limits: whether turns end when their
    `timeout` is over; without, sync handlers run on the test's own thread, where a debugger stops best.
    Raises pydantic's `ValidationError` for a state that does not fit.
    """
    return Backend(agent, now=now, time_limits=time_limits).session(session_id, state=state)


class Backend:
    """One agent, served in this process. Its sessions share a clock, deliveries that were here before, and calls."""

    def __init__(self, agent: type[Agent], *, now: datetime | None = None, time_limits: bool = True) -> None:
        if now is not None and now.tzinfo is None:
            raise ValueError(f"now: {now!r} has no timezone")
        self._spec = describe(agent)
        self._store = InMemoryStore(self._spec, (now or datetime.now(UTC)).astimezone(UTC))
        self._progress = Progress(self._store, Turns(self._store, time_limits=time_limits))

    def session(
        self, session_id: str | None = None, *, state: BaseModel | Mapping[str, Any] | None = None
    ) -> AgentSession:
        """The session of this id; a new one if there is none. Raises `ValueError` for a state of one that there is."""
        stored = self._stored(session_id)
        if state is not None:
            if stored.exists:
                raise ValueError(f"the session {stored.id!r} has a state already")
            stored.state = _state_text(self._spec, state)
        self._store.begin(stored)
        return AgentSession(self._store, self._progress, stored)

    def load(self, file: SessionFile) -> AgentSession:
        """A session that stands where its export ended. Raises `ValueError` for one that there is already."""
        if (known := self._store.sessions.get(file.header.session_id)) is not None and known.exists:
            raise ValueError(f"the session {known.id!r} is there already")
        return AgentSession(self._store, self._progress, fill(self._store, file))

    def replay(self, turn: RecordedTurn) -> TurnResult:
        """Run a turn of an exported session again, with its own id, from where the session stood before it."""
        session = self._store.session(turn.file.header.session_id)
        seat(session, turn.before, turn.file.said(turn.before))
        line = turn.line
        new = NewInteraction(
            kind=str(line.kind),
            name=line.name,
            payload=to_text(line.payload),
            id=line.id,
            body=decode_body(line),
            scheduled_for=line.scheduled_for,
        )
        one = self._store.accept(session, new)
        self._progress.finish([one])
        return turn.left(session, one)

    def _stored(self, session_id: str | None) -> StoredSession:
        if session_id is not None:
            return self._store.session(checked_session_id(session_id))
        taken = sum(one.temporary for one in self._store.sessions.values())
        stored = self._store.session(f"{TEMPORARY}-{taken + 1}" if taken else TEMPORARY)
        stored.temporary = True
        return stored


def _state_text(spec: AgentSpec, state: BaseModel | Mapping[str, Any]) -> str:
    model = spec.cls.State
    valid = model.model_validate(state if isinstance(state, BaseModel) else dict(state))
    return write_state(valid, model)
