"""One turn: run one interaction on one session's state, in memory. Knows no database, no Celery, no Redis.

`run_turn` is the only copy of this logic. A turn whose handlers are all synchronous never suspends, so `drive` runs
it to its end on the calling thread; any other turn is awaited on an event loop.
"""

import asyncio
import json
import re
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Never, TypeVar

import orjson
from pydantic import ValidationError

from pumice.agents.agent import Agent
from pumice.agents.context import Call, Emit, History, Interaction, TurnContext, to_json
from pumice.agents.failures import Failure, failure_of
from pumice.agents.invoker import HIDDEN_AWAIT, Invoker
from pumice.agents.messages import Message
from pumice.agents.requests import Request, Response
from pumice.agents.spec import AgentSpec, Handler
from pumice.errors import SerializationError

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

    A chat that was interrupted is `cancelled`, with what it had streamed, and `superseded_by` the newer one.

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
    superseded_by: str | None = None


class LiveSession:
    """A session in memory: its last good state, its history, and the turn that is running on it."""

    def __init__(self, spec: AgentSpec, session_id: str, state: str | None, history: History) -> None:
        self.spec = spec
        self.session_id = session_id
        self.state = state
        self.history = history
        self.turn: TurnContext | None = None
        self._parsed: Any = None
        self._saved: str | None = None

    @property
    def is_new(self) -> bool:
        """Whether `setup` has not run yet."""
        return self.state is None

    def activate(self, turn: TurnContext) -> Agent:
        """An instance on the last good state.

        Raises `SerializationError` when the stored state does not fit the class.
        """
        cls = self.spec.cls
        if self._parsed is None:
            self._parsed = cls.State() if self.state is None else self._parse(self.state)
            self._saved = None if self.state is None else self._parsed.model_dump_json()
        agent = cls() if cls.__init__ is not Agent.__init__ else cls.__new__(cls)
        agent.bind(self._parsed, turn)
        self.turn = turn
        return agent

    def save(self, agent: Agent) -> str | None:
        """Take the instance's state as the last good one. Returns it as JSON, or None when it did not change.

        Raises `SerializationError`, naming the field, when it can't be stored, or could be but not loaded again.
        """
        text = serialise_state(agent.state, self.spec.cls.State)
        if text == self._saved:
            self._parsed = agent.state
            return None
        self._parsed = self._parse(text)
        self.state = self._saved = text
        return text

    def discard(self) -> None:
        """Forget what the running turn did to the state."""
        self._parsed = None

    def _parse(self, text: str) -> Any:
        try:
            return self.spec.cls.State.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in ("state", *first["loc"]))
            raise SerializationError(where, f"its JSON does not fit the model: {first['msg']}") from None


NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""An escaped NUL character in JSON text, and not an escaped backslash followed by u0000."""


def serialise_state(state: Any, model: type[Any]) -> str:
    """A state as JSON text. Raises `SerializationError`, naming the field."""
    if not isinstance(state, model):
        raise SerializationError("state", f"it is {type(state).__name__}, not {model.__qualname__}")
    try:
        text: str = state.model_dump_json(warnings="error")
    except Exception as error:
        for name in type(state).model_fields:
            try:
                state.model_dump_json(include={name}, warnings="error")
            except Exception as cause:
                raise SerializationError(f"state.{name}", str(cause)) from None
        raise SerializationError("state", str(error)) from None
    if "NaN" in text or "Infinity" in text:
        _check_numbers(state, text)
    if "\\u0000" in text and NUL.search(text):  # the search alone takes milliseconds on a large state
        raise SerializationError("state", "text in it holds a NUL character, which Postgres can't store")
    return text


def _check_numbers(state: Any, text: str) -> None:
    """Refuse NaN and Infinity, which a model may be configured to write and JSON has no word for."""
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except SerializationError as error:
        for name in type(state).model_fields:
            try:
                json.loads(state.model_dump_json(include={name}), parse_constant=_refuse_constant)
            except SerializationError:
                raise SerializationError(f"state.{name}", error.why) from None
        raise


def _refuse_constant(name: str) -> Never:
    raise SerializationError("state", f"it holds {name}, for which JSON has no word")


def _forget(_error: BaseException) -> None:
    """Keep no exception: its traceback would hold on to all that the turn touched."""


async def run_turn(
    session: LiveSession, work: Work, emit: Emit, caught: Callable[[BaseException], None] = _forget
) -> Outcome:
    """Run one interaction. Returns its outcome; a failing handler is an outcome, not an exception.

    `caught` is called with what the handler raised.
    Raises only what is no failure of the handler's: `asyncio.CancelledError` above all.
    """
    handler = session.spec.handler(work.kind, work.name)
    if handler is None:
        return Outcome(work, "failed", failure=failure_of(LookupError(f"the agent has no {work.kind} {work.name!r}")))
    on_loop = session.spec.needs_loop(handler)
    interaction = Interaction(work.id, work.kind, work.name, work.attempts + 1, work.scheduled_for, work.accepted_at)
    turn = TurnContext(session.session_id, session.spec.id, interaction, session.history, emit)
    limit = _limit(handler, on_loop=on_loop)
    try:
        return await _attempt(session, work, handler, turn, limit)
    except (Exception, SystemExit) as error:
        caught(error)
        session.discard()
        expired = isinstance(limit, asyncio.Timeout) and limit.expired()
        failure = failure_of(error, handler.policy, work.attempts + 1, timed_out=expired)
        outcome = Outcome(work, failure.status, failure=failure, usage=turn.usage)
        if failure.status != "retry":
            await _tell_agent(session, turn, handler, error, outcome)
        return outcome


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never suspends. Raises `TypeError` when it does: the handler hid an async call."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        value: T = finished.value
        return value
    coroutine.close()
    raise TypeError(HIDDEN_AWAIT)


def _limit(handler: Handler, *, on_loop: bool) -> AbstractAsyncContextManager[Any]:
    return asyncio.timeout(handler.policy.timeout) if on_loop else nullcontext()


async def _attempt(
    session: LiveSession, work: Work, handler: Handler, turn: TurnContext, limit: AbstractAsyncContextManager[Any]
) -> Outcome:
    run = Invoker(on_loop=session.spec.needs_loop(handler))
    outcome = Outcome(work)
    payload = orjson.loads(work.payload)
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
    outcome.calls, outcome.usage = turn.calls, turn.usage
    session.history = turn.history
    return outcome


async def _chat(run: Invoker, agent: Agent, payload: dict[str, Any], outcome: Outcome) -> None:
    turn = agent.turn
    incoming = [Message(one["role"], one["content"]) for one in payload["messages"]]
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
    stored = orjson.loads(to_json({"content": message.content, "data": message.data}, "the reply"))
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

    A session that is not set up yet stays so: of `on_error` only the calls are kept.
    """
    if session.spec.cls.on_error is Agent.on_error or handler.static:
        return
    turn.calls.clear()
    turn.history = session.history
    on_loop = session.spec.needs_loop(handler)
    try:
        agent = session.activate(turn)
        async with _limit(handler, on_loop=on_loop):
            await Invoker(on_loop=on_loop).call(agent.on_error, error)
        if session.is_new:
            session.discard()
        else:
            outcome.state = session.save(agent)
        outcome.calls = turn.calls
    except Exception as second:
        session.discard()
        if outcome.failure is not None:
            outcome.failure.add_note(f"on_error failed too: {type(second).__name__}: {second}")
