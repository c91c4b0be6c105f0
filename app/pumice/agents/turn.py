"""One turn: run one interaction on one session's state, in memory. Knows no database, no Celery, no Redis.

`run_turn` is the only copy of this logic. A turn whose handlers are all synchronous never suspends, so `drive` runs
it to its end on the calling thread; any other turn is awaited on an event loop.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from pumice.agents.agent import Agent
from pumice.agents.boundary import is_own_doing
from pumice.agents.context import Call, Emit, History, Interaction, TurnContext, to_json
from pumice.agents.failures import Failure, failure_of
from pumice.agents.handlers import Handler
from pumice.agents.invoker import HIDDEN_AWAIT, Invoker
from pumice.agents.json_text import loads
from pumice.agents.live_session import LiveSession
from pumice.agents.messages import Message
from pumice.agents.middleware import Turn, within
from pumice.agents.outgoing import OutgoingEvent
from pumice.agents.recordings import Answers
from pumice.agents.requests import Request, Response
from pumice.agents.scheduling import ScheduleOperation, Unschedule
from pumice.agents.states import REASONS, Kind, Reason, Status
from pumice.errors import SerializationError, StoredStateError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Work:
    """An interaction as claimed. `payload` is JSON text; `attempts` counts those before this one.

    crashes: how many of those ended with their worker; they use up none of the handler's retries.
    answers: what its model and tools are to answer, as JSON; only in a quiet session, and empty where nothing is known.
    """

    id: str
    seq: int
    kind: str
    name: str | None
    payload: str
    body: bytes | None = None
    attempts: int = 0
    accepted_at: datetime | None = None
    scheduled_for: datetime | None = None
    reply_to: str | None = None
    crashes: int = 0
    answers: str | None = None


@dataclass(slots=True)
class Outcome:
    """What a turn did: `done` with its effects, or a failure (`failed`, `dead`, `retry`) without them.

    A chat that was interrupted is `cancelled`, with what it had streamed, and `superseded_by` the newer one.

    `result` and `state` are JSON text; `state` is None when it did not change. `announced`: what the user said has been
    told to the session's streams, before what the turn streamed. `snapshots` are the names, with a note, under which
    the point that the turn leaves is to be kept. `recording` has what its model and tools answered, as JSON, and
    `not_asked` what was not asked of a model, since the session is quiet. `schedules` is what becomes of the session's
    schedules, in order; `timezone` is the session's from now on, if it `moves`.
    """

    work: Work
    status: str = "done"
    result: str | None = None
    state: str | None = None
    messages: list[Message] = field(default_factory=list)
    replaces_history: bool = False
    calls: list[Call] = field(default_factory=list)
    sent: list[Any] = field(default_factory=list)
    emitted: list[OutgoingEvent] = field(default_factory=list)
    snapshots: list[tuple[str, str | None]] = field(default_factory=list)
    schedules: list[ScheduleOperation] = field(default_factory=list)
    timezone: str | None = None
    moves: bool = False
    usage: dict[str, Any] | None = None
    recording: str | None = None
    not_asked: list[dict[str, Any]] = field(default_factory=list)
    failure: Failure | None = None
    superseded_by: str | None = None
    skipped_for: Reason | None = None
    announced: bool = False

    @property
    def unschedules(self) -> bool:
        """Whether it may cancel interactions that wait behind it."""
        return any(isinstance(one, Unschedule) for one in self.schedules)

    @property
    def reason_code(self) -> Reason | None:
        """Why it did not run to its end, if it was no failure."""
        return Reason.INTERRUPTED if self.superseded_by is not None else self.skipped_for

    @property
    def reason(self) -> str | None:
        """The same in words, or which attempt failed with what; None for a turn that went well."""
        if self.reason_code is not None:
            return REASONS[self.reason_code]
        if self.failure is None:
            return None
        return f"{self.status} after attempt {self.work.attempts + 1}: {self.failure.type}"


def _forget(_error: BaseException) -> None:
    """Keep no exception: its traceback would hold on to all that the turn touched."""


async def run_turn(
    session: LiveSession, work: Work, emit: Emit, caught: Callable[[BaseException], None] = _forget
) -> Outcome:
    """Run one interaction. Returns its outcome; a failing handler is an outcome, not an exception.

    `caught` is called with what the handler raised.
    Raises only what Pumice itself put in: `Interrupted`, and `asyncio.CancelledError` when its task is cancelled.
    """
    handler = session.spec.handler(work.kind, work.name, work.payload)
    if handler is None:
        return _unknown(work)
    on_loop = session.spec.needs_loop(handler)
    interaction = _interaction(work)
    turn = TurnContext(session.session_id, session.spec.id, interaction, session.history, emit)
    turn.answers, turn.timezone = Answers.read(work.answers), session.timezone
    limit = _limit(handler, on_loop=on_loop)
    try:
        if not session.spec.middleware:
            return await _attempt(session, work, handler, turn, limit)
        with within(session.spec.middleware, Turn(session.spec.id, session.session_id, interaction)):
            return await _attempt(session, work, handler, turn, limit)
    except BaseException as error:
        if is_own_doing(error):
            raise
        caught(error)
        session.discard()
        expired = isinstance(limit, asyncio.Timeout) and limit.expired()
        tried = work.attempts + (not issubclass(type(error), StoredStateError))
        failure = failure_of(error, handler.policy, tried, timed_out=expired, crashes=work.crashes)
        if expired and turn.recorder is not None and turn.recording is not None:
            turn.recording = turn.recorder.ended_by(failure)
        outcome = Outcome(work, failure.status, failure=failure, usage=turn.usage, recording=turn.recording)
        if failure.status != "retry":
            await _tell_agent(session, turn, handler, error, outcome)
        return outcome
    finally:
        turn.close()


def _unknown(work: Work) -> Outcome:
    """What becomes of an interaction that the code has no handler for: a run is of a job that was removed."""
    if work.kind == Kind.JOB:
        return Outcome(work, Status.SKIPPED, skipped_for=Reason.REMOVED)
    return Outcome(work, "failed", failure=failure_of(LookupError(f"the agent has no {work.kind} {work.name!r}")))


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends. Raises `TypeError` in it when it does: the handler hid an async call."""
    try:
        coroutine.send(None)
        coroutine.throw(TypeError(HIDDEN_AWAIT))
    except StopIteration as finished:
        value: T = finished.value
        return value
    coroutine.close()
    raise TypeError(HIDDEN_AWAIT)


def _interaction(work: Work) -> Interaction:
    missed = 0
    if work.scheduled_for is not None and '"missed"' in work.payload:
        missed = loads(work.payload).get("missed", 0)
    return Interaction(work.id, work.kind, work.name, work.attempts + 1, work.scheduled_for, work.accepted_at, missed)


def _limit(handler: Handler, *, on_loop: bool) -> AbstractAsyncContextManager[Any]:
    return asyncio.timeout(handler.policy.timeout) if on_loop else nullcontext()


async def _attempt(
    session: LiveSession, work: Work, handler: Handler, turn: TurnContext, limit: AbstractAsyncContextManager[Any]
) -> Outcome:
    run = Invoker(on_loop=session.spec.needs_loop(handler))
    outcome = Outcome(work)
    payload = loads(work.payload)
    async with limit:
        if handler.static:
            function = getattr(session.spec.cls, handler.attribute)
            await _invoke(run, function, turn, work, payload, outcome)
            return outcome
        agent = session.activate(turn)
        if session.is_new:
            await run.call(agent.setup)
        if work.kind == "chat":
            await _chat(run, agent, payload, outcome)
        else:
            await _invoke(run, getattr(agent, handler.attribute), turn, work, payload, outcome)
    outcome.state = session.save(agent)
    outcome.calls, outcome.usage, outcome.snapshots, outcome.sent = turn.calls, turn.usage, turn.snapshots, turn.sent
    outcome.recording, outcome.not_asked, outcome.emitted = turn.recording, turn.not_asked, turn.emitted
    outcome.schedules, outcome.timezone, outcome.moves = turn.schedules, turn.timezone, turn.moves
    session.history, session.timezone = turn.history, turn.timezone
    return outcome


async def _chat(run: Invoker, agent: Agent, payload: dict[str, Any], outcome: Outcome) -> None:
    turn = agent.turn
    incoming = [Message.encoded(one) for one in payload["messages"]]
    outcome.replaces_history = payload.get("history") == "replace"
    before = History() if outcome.replaces_history else turn.history
    turn.history = before.with_added(incoming)
    reply = _as_stored(await run.reply(await run.call(agent.reply, turn.history), turn))
    turn.history = turn.history.with_added([reply])
    outcome.messages = [*incoming, reply]
    outcome.result = to_json({"message": reply.encode()}, "the reply")


def _as_stored(message: Message) -> Message:
    """The message as its session will hold it. Raises `SerializationError`, which names what JSON can't hold."""
    if not isinstance(message.role, str) or "\x00" in message.role:
        raise SerializationError("the reply.role", f"it is {message.role!r}")
    if message.data is None and isinstance(message.content, str):
        return message
    stored = loads(to_json({"content": message.content, "data": message.data}, "the reply"))
    return Message(message.role, stored["content"], stored["data"])


async def _invoke(
    run: Invoker,
    function: Callable[..., Any],
    turn: TurnContext,
    work: Work,
    payload: dict[str, Any],
    outcome: Outcome,
) -> None:
    if work.kind == "hook":
        value = await run.call(function, Request.decode(payload, work.body or b""))
        outcome.result = to_json(Response.of(value).encode(), "the response")
        return
    arguments = (payload["data"],) if work.kind == "socket" else tuple(payload.get("args", ()))
    value = await run.call(function, *arguments, **payload.get("kwargs", {}))
    outcome.result = to_json({"value": value}, "the result")
    if work.kind == "socket" and value is not None:
        turn.send(value)


async def _tell_agent(
    session: LiveSession, turn: TurnContext, handler: Handler, error: BaseException, outcome: Outcome
) -> None:
    """Call `on_error` on the state from before the turn and keep what it changes; its own failure is only noted.

    A session that is not set up yet stays so: of `on_error` only calls, emitted events and schedules are kept.
    """
    on_loop = session.spec.needs_loop(handler)
    is_closing = on_loop and isinstance(error, GeneratorExit)  # what is being closed must not await
    if session.spec.cls.on_error is Agent.on_error or handler.static or is_closing:
        return
    turn.calls.clear()
    turn.emitted.clear()
    turn.schedules.clear()
    turn.history, turn.timezone, turn.moves = session.history, session.timezone, False
    try:
        agent = session.activate(turn)
        async with _limit(handler, on_loop=on_loop):
            await Invoker(on_loop=on_loop).call(agent.on_error, error)
        if session.is_new:
            session.discard()
        else:
            outcome.state = session.save(agent)
        outcome.calls, outcome.emitted, outcome.schedules = turn.calls, turn.emitted, turn.schedules
        outcome.timezone, outcome.moves = turn.timezone, turn.moves
        session.timezone = turn.timezone
    except BaseException as second:
        if is_own_doing(second):
            raise
        session.discard()
        if outcome.failure is not None:
            told = failure_of(second)
            outcome.failure.add_note(f"on_error failed too: {told.type}: {told.message}")
