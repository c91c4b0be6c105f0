"""What a test's session holds in memory of what Postgres would hold: sessions and interactions."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pumice.agents.failures import Failure
from pumice.agents.json_text import loads
from pumice.agents.messages import Message
from pumice.agents.scheduling import NewSchedule
from pumice.agents.states import FailureCode
from pumice.errors import Problem, PumiceError
from pumice.sessions.finished import FinishedInteraction

LONG_AGO = datetime.min.replace(tzinfo=UTC)


class NotFinishedError(PumiceError):
    """The interaction is not finished when its client stops waiting; advance the session's clock to run it."""


@dataclass(slots=True)
class StoredSchedule:
    """A schedule as it is stored; `missed`: how many times its next run stands for beside its own."""

    new: NewSchedule
    next_at: datetime | None
    missed: int = 0


@dataclass(slots=True, eq=False)
class StoredSession:
    """A session as it is stored. `state` is JSON text, None before `setup` has run.

    exists: whether it has had an interaction or was made by the test; jobs run on no other.
    blocked_until: when a failed turn of a `blocking` handler runs again; until then nothing runs on the session.
    emitted: the events for other systems of all turns that were saved, each with its type and data.
    sent, deltas, usage: what clients saw: all data sent, what the last turn streamed, what its model used.
    attempts: how many the interaction that ran last has had.
    metadata: of a session that was exported. created_at: when its jobs' intervals begin. timezone: in which its jobs at
    each session's own time run; UTC if it has none. schedules: by their keys.
    """

    id: str
    temporary: bool = False
    exists: bool = False
    state: str | None = None
    blocked_until: datetime = LONG_AGO
    messages: list[Message] = field(default_factory=list)
    sent: list[Any] = field(default_factory=list)
    emitted: list[tuple[str, Any]] = field(default_factory=list)
    deltas: list[str] = field(default_factory=list)
    attempts: int = 0
    usage: dict[str, Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    created_at: datetime = LONG_AGO
    timezone: str | None = None
    hook_times: dict[str, float] = field(default_factory=dict)
    schedules: dict[str, StoredSchedule] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class RecordedInteraction:
    """An interaction as it is stored.

    status: `queued` (also while it waits for another attempt), `done`, `failed`, `dead`, `skipped` or
    `cancelled`.
    attempts: how many there were so far. errors: what failed, one for each failed attempt.
    raised: what the handler raised last.
    """

    id: str
    seq: int
    session: StoredSession
    kind: str
    name: str | None
    payload: str
    accepted_at: datetime
    available_at: datetime
    body: bytes | None = None
    scheduled_for: datetime | None = None
    made_by: StoredSession | None = None
    schedule_key: str | None = None
    status: str = "queued"
    reason: str | None = None
    attempts: int = 0
    errors: list[Failure] = field(default_factory=list)
    result: str | None = None
    raised: BaseException | None = None

    @property
    def session_id(self) -> str:
        """The id of the session that it is addressed to."""
        return self.session.id

    @property
    def value(self) -> Any:
        """What the method returned, of a finished `job`, `socket` or `call`."""
        return loads(self.result or "{}").get("value")

    @property
    def reply(self) -> Message:
        """The reply, of a chat that is done."""
        message = loads(self.result or "{}")["message"]
        return Message(message["role"], message["content"])

    @property
    def due(self) -> tuple[datetime, int]:
        """When it may run, and its place among what may run then."""
        return max(self.available_at, self.session.blocked_until), self.seq

    @property
    def problem(self) -> Problem | None:
        """The problem that its client is answered with; None while it is queued and when it is done."""
        if self.status in {"queued", "done"}:
            return None
        error = self.errors[-1].encode() if self.errors else None
        return FinishedInteraction(self.id, self.kind, self.status, error=error, reason=self.reason).problem

    @property
    def error(self) -> BaseException | None:
        """What the test is told of a failure: what the handler raised or, past its time limit, its client's problem."""
        if self.status not in {"failed", "dead"}:
            return None
        timed_out = bool(self.errors) and self.errors[-1].code == FailureCode.TIMEOUT
        return self.problem if timed_out or self.raised is None else self.raised

    def waits(self) -> NotFinishedError:
        """The error that says until when it waits."""
        at, what = self.due[0].isoformat(), f"{self.kind} {self.name}" if self.name else self.kind
        last = f" after {self.errors[-1].type}: {self.errors[-1].message}" if self.errors else ""
        text = f"the {what} waits for its attempt {self.attempts + 1} at {at}{last}; advance(to=…) runs it"
        return NotFinishedError(text)


@dataclass(frozen=True)
class Planned:
    """A call that the agent made or scheduled, not run yet: at the time `at`, or `delay` seconds after its turn."""

    session_id: str
    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    at: datetime | None
    delay: float
    made_at: datetime

    @property
    def due(self) -> datetime:
        """When it is to run."""
        return self.at or self.made_at + timedelta(seconds=self.delay)
