"""One agent's sessions and interactions in memory, with the clock that they are read by. Runs nothing."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

from pumice.agents.context import Call, new_id
from pumice.agents.json_text import loads
from pumice.agents.spec import AgentSpec
from pumice.errors import OTHER_BODY, InvalidField
from pumice.testing.interactions import Planned, RecordedInteraction, StoredSession

DEDUPE_WINDOW = timedelta(days=1)
"""How long a delivery id or idempotency key is remembered: the default of the setting DEDUPE_WINDOW."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInteraction:
    """What to accept, as the front or a turn asks for it. `available_at` is now unless given.

    dedupe, unnamed, fingerprint: how a repeat is recognised; see `pumice.sessions.accept`.
    """

    kind: str
    name: str | None
    payload: str
    id: str = ""
    body: bytes | None = None
    dedupe: tuple[str, str] | None = None
    unnamed: bool = False
    fingerprint: str | None = None
    available_at: datetime | None = None
    scheduled_for: datetime | None = None
    made_by: StoredSession | None = None
    schedule_key: str | None = None


class InMemoryStore:
    """Sessions by id, interactions in the order of acceptance, and those of them that are queued.

    now: the time; it stands still until it is moved.
    """

    def __init__(self, spec: AgentSpec, now: datetime) -> None:
        self.spec = spec
        self.now = now
        self.sessions: dict[str, StoredSession] = {}
        self.interactions: list[RecordedInteraction] = []
        self.queued: list[RecordedInteraction] = []
        self._numbers = count(1)
        self._known: dict[tuple[str | None, str, str], tuple[RecordedInteraction, str | None]] = {}
        self._planned: dict[str, Planned] = {}

    def session(self, session_id: str) -> StoredSession:
        """The session of this id; a new one if there is none."""
        return self.sessions.setdefault(session_id, StoredSession(session_id))

    def begin(self, session: StoredSession) -> None:
        """Note that a session is there from now on, unless it was before."""
        if not session.exists:
            session.exists, session.created_at = True, self.now

    def name(self, session: StoredSession, session_id: str) -> StoredSession:
        """Give a temporary session the id that a selector chose for it. Returns the session that has it now."""
        known = self.sessions.get(session_id)
        if known is not None and known.exists:
            return known
        self.sessions[session_id] = self.sessions.pop(session.id)
        session.id, session.temporary = session_id, False
        return session

    def accept(self, session: StoredSession, new: NewInteraction) -> RecordedInteraction:
        """Accept an interaction. Returns it or, for a repeat within the window, the first with its dedupe key.

        A first that has failed is queued again. Raises `InvalidField` for an Idempotency-Key with another body.
        """
        key = (None if new.unnamed else session.id, *new.dedupe) if new.dedupe else None
        known, fingerprint = self._known.get(key, (None, None)) if key else (None, None)
        if known is not None and (known.status == "queued" or known.accepted_at >= self.now - DEDUPE_WINDOW):
            if fingerprint and new.fingerprint and fingerprint != new.fingerprint:
                raise InvalidField("Idempotency-Key", OTHER_BODY)
            self._revive(known)
            return known
        one = RecordedInteraction(
            new.id or new_id(),
            next(self._numbers),
            session,
            new.kind,
            new.name,
            new.payload,
            self.now,
            new.available_at or self.now,
            body=new.body,
            scheduled_for=new.scheduled_for,
            made_by=new.made_by,
            schedule_key=new.schedule_key,
        )
        self.begin(session)
        self.interactions.append(one)
        self.queued.append(one)
        if key:
            self._known[key] = one, new.fingerprint
        return one

    def recall(self, one: RecordedInteraction) -> RecordedInteraction:
        """Add an interaction that was accepted before the test."""
        one.seq = next(self._numbers)
        self.interactions.append(one)
        if one.status == "queued":
            self.queued.append(one)
        return one

    def plan(self, one: RecordedInteraction, planned: Planned) -> None:
        """Note how a queued call was asked for."""
        self._planned[one.id] = planned

    def accept_call(self, caller: StoredSession, call: Call) -> None:
        """Accept a call that a turn of the session `caller` made or scheduled."""
        due = call.at or self.now + timedelta(seconds=call.delay)
        target = self.session(call.session_id)
        new = NewInteraction(
            kind="call",
            name=call.method,
            payload=call.payload,
            id=call.id,
            available_at=due,
            made_by=caller,
            scheduled_for=due if call.scheduled else None,
        )
        self.accept(target, new)
        given = loads(call.payload)
        arguments, options = tuple(given["args"]), given["kwargs"]
        self._planned[call.id] = Planned(target.id, call.method, arguments, options, call.at, call.delay, self.now)

    def planned(self, one: RecordedInteraction) -> Planned:
        """A queued call as its author asked for it."""
        return replace(self._planned[one.id], session_id=one.session.id)

    def _revive(self, one: RecordedInteraction) -> None:
        if one.status in {"failed", "dead"}:
            one.status, one.reason, one.result, one.available_at = "queued", None, None, self.now
            self.queued.append(one)

    def finish(self, one: RecordedInteraction) -> None:
        """Note that a queued interaction is finished."""
        self.queued.remove(one)
        self._planned.pop(one.id, None)
