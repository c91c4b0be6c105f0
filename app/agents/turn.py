"""One turn: run one interaction on one session's state, in memory. Knows no database, no Celery, no Redis.

`run_turn` is the only copy of this logic. A turn whose handlers are all synchronous never suspends, so `drive` runs
it to its end on the calling thread; any other turn is awaited on an event loop.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError

from app.agents.agent import Agent
from app.agents.context import Call, Emit, History, Interaction, TurnContext, to_json
from app.agents.failures import Failure, failure_of
from app.agents.messages import Message
from app.agents.requests import Request, Response
from app.agents.spec import AgentSpec, Handler
from app.errors import UnsavableError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Work:
    """An interaction as claimed. `payload` is JSON text; `attempts` counts those before this one."""

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


@dataclass(slots=True)
class Outcome:
    """What a turn did: `done` with its effects, or a failure (`failed`, `dead`, `retry`) without them.

    `result` and `state` are JSON text; `state` is None when it did not change.
    """

    work: Work
    status: str = "done"
    result: str | None = None
    state: str | None = None
    messages: list[Message] = field(default_factory=list)
    replaces_history: bool = False
    calls: list[Call] = field(default_factory=list)
    usage: dict[str, Any] | None = None
    failure: Failure | None = None


class LiveSession:
    """A session in memory: its last good state, its history, and the turn that is running on it."""

    def __init__(self, spec: AgentSpec, session_id: str, state: str | None, history: History) -> None:
        self.spec = spec
        self.session_id = session_id
        self.state = state
        self.history = history
        self.turn: TurnContext | None = None
        self._parsed: Any = None

    @property
    def is_new(self) -> bool:
        """Whether `setup` has not run yet."""
        return self.state is None

    def activate(self, turn: TurnContext) -> Agent:
        """An instance on the last good state. Raises `UnsavableError` when the stored state does not fit the class."""
        cls = self.spec.cls
        if self._parsed is None:
            try:
                self._parsed = cls.State() if self.state is None else cls.State.model_validate_json(self.state)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(str(part) for part in ("state", *first["loc"]))
                raise UnsavableError(where, f"the stored value does not fit: {first['msg']}") from None
        agent = cls() if cls.__init__ is not Agent.__init__ else cls.__new__(cls)
        agent.bind(self._parsed, turn)
        self.turn = turn
        return agent

    def save(self, agent: Agent) -> str | None:
        """Take the instance's state as the last good one. Returns it as JSON, or None when it did not change.

        Raises `UnsavableError`, naming the field, when it can't be stored.
        """
        text = serialise_state(agent.state, self.spec.cls.State)
        self._parsed = agent.state
        if text == self.state:
            return None
        self.state = text
        return text

    def discard(self) -> None:
        """Forget what the running turn did to the state."""
        self._parsed = None


def serialise_state(state: Any, model: type[Any]) -> str:
    """A state as JSON text. Raises `UnsavableError`, naming the field."""
    if not isinstance(state, model):
        raise UnsavableError("state", f"it is {type(state).__name__}, not {model.__qualname__}")
    try:
        text: str = state.model_dump_json(warnings="error")
    except Exception as error:
        for name in type(state).model_fields:
            try:
                state.model_dump_json(include={name}, warnings="error")
            except Exception as cause:
                raise UnsavableError(f"state.{name}", str(cause)) from None
        raise UnsavableError("state", str(error)) from None
    if "\\u0000" in text:
        raise UnsavableError("state", "text in it holds a NUL character, which Postgres can't store")
    return text


async def run_turn(session: LiveSession, work: Work, emit: Emit) -> Outcome:
    """Run one interaction. Returns its outcome; a failing handler is an outcome, not an exception.

    Raises only what is no failure of the handler's: `asyncio.CancelledError` above all.
    """
    handler = session.spec.handler(work.kind, work.name)
    if handler is None:
        return Outcome(work, "failed", failure=failure_of(LookupError(f"the agent has no {work.kind} {work.name!r}")))
    on_loop = session.spec.needs_loop(handler)
    interaction = Interaction(
        work.id, work.kind, work.name, work.attempts + 1, work.scheduled_for, work.accepted_at
    )
    turn = TurnContext(session.session_id, session.spec.id, interaction, session.history, emit)
    limit = asyncio.timeout(handler.policy.timeout) if on_loop else nullcontext()
    try:
        return await _attempt(session, work, handler, turn, limit)
    except (Exception, SystemExit) as error:
        session.discard()
        expired = isinstance(limit, asyncio.Timeout) and limit.expired()
        failure = failure_of(error, handler.policy, work.attempts + 1, timed_out=expired)
        outcome = Outcome(work, failure.status, failure=failure, usage=turn.usage)
        if failure.status != "retry":
            await _tell_agent(session, turn, error, outcome, on_loop)
        return outcome


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends. Raises `TypeError` when it does: the handler hid an async call."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        value: T = finished.value
        return value
    coroutine.close()
    message = "a handler that awaits must be declared with async def"
    raise TypeError(message)


async def _attempt(
    session: LiveSession, work: Work, handler: Handler, turn: TurnContext, limit: AbstractAsyncContextManager[Any]
) -> Outcome:
    run = _Runner(session.spec.needs_loop(handler))
    outcome = Outcome(work)
    async with limit:
        agent = session.activate(turn)
        if session.is_new:
            await run.call(agent.setup)
        payload = orjson.loads(work.payload)
        if work.kind == "chat":
            await _chat(run, agent, payload, outcome)
        else:
            await _invoke(run, agent, handler, work, payload, outcome)
    outcome.state = session.save(agent)
    outcome.calls, outcome.usage = turn.calls, turn.usage
    session.history = turn.history
    return outcome


async def _chat(run: "_Runner", agent: Agent, payload: dict[str, Any], outcome: Outcome) -> None:
    turn = agent.turn
    incoming = [Message(one["role"], one["content"]) for one in payload["messages"]]
    outcome.replaces_history = payload.get("history") == "replace"
    before = History() if outcome.replaces_history else turn.history
    turn.history = before.with_added(incoming)
    reply = await run.reply(await run.call(agent.reply, turn.history), turn)
    turn.history = turn.history.with_added([reply])
    outcome.messages = [*incoming, reply]
    outcome.result = to_json({"message": reply.encode()}, "the reply")


async def _invoke(
    run: "_Runner", agent: Agent, handler: Handler, work: Work, payload: dict[str, Any], outcome: Outcome
) -> None:
    function = getattr(type(agent) if handler.static else agent, handler.attribute)
    if work.kind == "hook":
        value = await run.call(function, Request.decode(payload, work.body or b""))
        outcome.result = to_json(Response.of(value).encode(), "the response")
        return
    arguments = (payload["data"],) if work.kind == "socket" else tuple(payload.get("args", ()))
    value = await run.call(function, *arguments, **payload.get("kwargs", {}))
    outcome.result = to_json({"value": value}, "the result")
    if work.kind == "socket" and value is not None:
        agent.send(value)


async def _tell_agent(
    session: LiveSession, turn: TurnContext, error: BaseException, outcome: Outcome, on_loop: bool
) -> None:
    """Call `on_error` on the state from before the turn and keep what it changes; its own failure is only noted."""
    if session.spec.cls.on_error is Agent.on_error or session.is_new:
        return
    turn.calls.clear()
    turn.history = session.history
    try:
        agent = session.activate(turn)
        await _Runner(on_loop).call(agent.on_error, error)
        outcome.state, outcome.calls = session.save(agent), turn.calls
    except Exception as second:
        session.discard()
        if outcome.failure is not None:
            outcome.failure.add_note(f"on_error failed too: {type(second).__name__}: {second}")


class _Runner:
    """Calls handlers: async ones are awaited; on the loop, sync ones go to a thread so that it is never blocked."""

    def __init__(self, on_loop: bool) -> None:
        self._on_loop = on_loop

    async def call(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        if self._on_loop and not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)):
            value = await asyncio.to_thread(function, *arguments, **options)
        else:
            value = function(*arguments, **options)
        return await value if isinstance(value, Awaitable) else value

    async def reply(self, value: Any, turn: TurnContext) -> Message:
        """Read what `reply` returned, streaming it if it is an iterator. Raises `TypeError` for anything else."""
        if isinstance(value, AsyncIterator):
            async for chunk in value:
                turn.stream(_text(chunk))
        elif isinstance(value, Iterator):
            if self._on_loop:
                await asyncio.to_thread(_stream, value, turn)
            else:
                _stream(value, turn)
        elif isinstance(value, Message):
            return value
        else:
            return Message("assistant", _text(value), turn.reply_data)
        return Message("assistant", "".join(turn.partial), turn.reply_data)


def _stream(chunks: Iterator[Any], turn: TurnContext) -> None:
    for chunk in chunks:
        turn.stream(_text(chunk))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        message = f"reply must give text, a Message or an iterator of text, not {type(value).__name__}"
        raise TypeError(message)
    return value
