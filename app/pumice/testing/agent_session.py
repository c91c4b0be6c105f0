"""Running an agent in a test, in this process, without a server, a database or a broker.

    session = testing.session(OrderDesk)
    session.hook("order-update", json={"id": "7", "status": "sent", "customer": {"id": "c1"}})
    assert session.chat("hi") == "You have 1 orders."

Every call is one turn, run by the code that a worker runs: what a turn did is kept if it succeeds and gone if it fails,
and what is kept goes through JSON. What the agent raised is raised here.
"""

import asyncio
import inspect
from collections.abc import Coroutine, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count
from typing import Any, Literal, TypeVar

import orjson
from pydantic import BaseModel
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from pumice.agents.agent import Agent
from pumice.agents.context import Call, History, new_id, to_json
from pumice.agents.live_session import LiveSession
from pumice.agents.messages import Message, decode_messages
from pumice.agents.names import checked_session_id
from pumice.agents.requests import Request, decode_response
from pumice.agents.selectors import Selector
from pumice.agents.spec import AgentSpec, Hook, describe
from pumice.agents.turn import Outcome, Work, drive, run_turn
from pumice.errors import MethodNotAllowed, Unauthorized

T = TypeVar("T")
TEMPORARY = "temporary"
"""The session id in a test that names none."""


def session(
    agent: type[Agent], session_id: str | None = None, *, state: BaseModel | Mapping[str, Any] | None = None
) -> "AgentSession":
    """A session of the agent: a new one or, given a `state`, one that `setup` has already run on.

    Without a `session_id` the first hook whose selector selects one gives it.
    Raises pydantic's `ValidationError` for a state that does not fit.
    """
    spec = describe(agent)
    text = None if state is None else _state_text(spec, state)
    return AgentSession(spec, session_id, text, {})


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


@dataclass(frozen=True)
class Answer:
    """What a hook answered, as its caller sees it."""

    status: int
    headers: Headers
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @cached_property
    def json(self) -> Any:
        """The body parsed as JSON."""
        return orjson.loads(self.body)


class AgentSession:
    """One session under test.

    messages: its conversation. sent: what `self.send` sent, in all turns. deltas: the chunks that the last turn
    streamed. usage: what a language model used in the last turn. planned: the calls that wait for `run_scheduled`.
    """

    def __init__(
        self, spec: AgentSpec, session_id: str | None, state: str | None, known: dict[str, "AgentSession"]
    ) -> None:
        self._spec = spec
        self._id = None if session_id is None else checked_session_id(session_id)
        self._state = state
        self._known = known
        self._numbers = count(1)
        self.messages: list[Message] = []
        self.sent: list[Any] = []
        self.deltas: list[str] = []
        self.usage: dict[str, Any] | None = None
        self.planned: list[Planned] = []
        known[self.session_id] = self

    @property
    def session_id(self) -> str:
        """The session's id."""
        return self._id or TEMPORARY

    @property
    def state(self) -> Any:
        """A copy of the state as it is stored."""
        model = self._spec.cls.State
        return model() if self._state is None else model.model_validate_json(self._state)

    @property
    def scheduled(self) -> list[Planned]:
        """What waits to be run on this session."""
        return [one for one in self.planned if one.session_id == self.session_id]

    @property
    def calls(self) -> list[Planned]:
        """What waits to be run on other sessions."""
        return [one for one in self.planned if one.session_id != self.session_id]

    def peer(self, session_id: str) -> "AgentSession":
        """Another session of the same agent, the one that `self.call` with this id reaches."""
        return self._known.get(session_id) or AgentSession(self._spec, session_id, None, self._known)

    def chat(
        self,
        messages: str | Message | Iterable[str | Message | dict[str, Any]],
        *,
        history: Literal["append", "replace"] = "append",
    ) -> str:
        """Send a message, or several, and return the reply's text."""
        given = [messages] if isinstance(messages, str | Message) else list(messages)
        decoded = decode_messages([one.encode() if isinstance(one, Message) else one for one in given])
        self._turn("chat", None, {"messages": [one.encode() for one in decoded], "history": history})
        return self.messages[-1].text

    def hook(
        self,
        name: str,
        *,
        json: Any = None,
        data: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
    ) -> Answer:
        """Deliver a webhook. `json` is its body, or `data`: text, bytes, or a mapping of form fields and files.

        The hook's own `verify` and selector run first; what they raise is raised here. A request that it does not
        verify is answered with 401. Raises `AssertionError` when the selector selects another session than this one,
        and `MethodNotAllowed`.
        """
        hook = self._spec.hooks.get(name)
        if hook is None:
            raise LookupError(f"{self._spec.cls.__name__} has no hook {name!r}")
        verb = method or ("POST" if "POST" in hook.methods else "GET")
        if verb not in hook.methods:
            raise MethodNotAllowed(f"the hook {name!r} takes {' and '.join(hook.methods)}")
        request = _request(f"/v1/agents/{self._spec.id}/hooks/{name}", verb, json, data, query, headers)
        if hook.verify is not None and not _selected(hook.verify, request):
            return Answer(Unauthorized.status, Headers(), orjson.dumps(Unauthorized().document()))
        self._adopt(hook, request)
        outcome = self._turn("hook", name, request.encode(), request.body)
        if hook.accepts:
            return Answer(202, Headers(), b"{}")
        body, status, pairs = decode_response(orjson.loads(outcome.result or "{}"))
        return Answer(status, Headers(pairs), body)

    def job(self, name: str, *, scheduled_for: datetime | None = None) -> Any:
        """Run a job as if it were due now, and return what it returned."""
        return self._value(self._turn("job", name, {}, scheduled_for=scheduled_for or datetime.now(UTC)))

    def receive(self, data: Any) -> Any:
        """Deliver a custom socket frame, and return what `receive` returned."""
        return self._value(self._turn("socket", None, {"data": data}))

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Run a method, as `self.call` from another session does, and return what it returned."""
        return self._value(self._turn("call", method, {"args": arguments, "kwargs": options}))

    def run_scheduled(self) -> list[Any]:
        """Run what is planned now, in the order in which it is due, and return what it returned.

        What that plans in turn is left for the next time.
        """
        due = sorted(self.planned, key=lambda one: one.due)
        self.planned = []
        return [self.peer(one.session_id).call(one.method, *one.args, **one.kwargs) for one in due]

    def _adopt(self, hook: Hook, request: Request) -> None:
        value = _selected(hook.session, request)
        selected = None if value is None or value == "" else checked_session_id(value)
        if self._id is None and selected is not None:
            self._known[selected] = self._known.pop(self.session_id)
            self._id = selected
        elif self._id is not None and selected != self._id:
            found = "no session (a temporary one would be made)" if selected is None else f"the session {selected!r}"
            raise AssertionError(f"the hook {hook.name!r} selected {found}, and this is {self._id!r}")

    def _turn(
        self,
        kind: str,
        name: str | None,
        payload: Any,
        body: bytes | None = None,
        scheduled_for: datetime | None = None,
    ) -> Outcome:
        handler = self._spec.handler(kind, name)
        if handler is None:
            raise LookupError(f"{self._spec.cls.__name__} has no {f'{kind} {name!r}' if name else 'reply'}")
        now = datetime.now(UTC)
        text = to_json(payload, f"the {kind}'s payload")
        work = Work(new_id(), next(self._numbers), kind, name, text, body, accepted_at=now, scheduled_for=scheduled_for)
        live = LiveSession(self._spec, self.session_id, self._state, History(self._newest))
        self.deltas = []
        raised: list[BaseException] = []
        turn = run_turn(live, work, self._emit, raised.append)
        outcome = _on_loop(turn) if self._spec.needs_loop(handler) else drive(turn)
        self._keep(outcome, now)
        for error in raised:
            raise error
        return outcome

    def _newest(self) -> list[Message]:
        return self.messages[max(len(self.messages) - self._spec.cls.history, 0) :]

    def _emit(self, kind: str, fields: dict[str, Any]) -> None:
        if kind == "delta":
            self.deltas.append(fields["content"])
        else:
            self.sent.append(fields["data"])

    def _keep(self, outcome: Outcome, now: datetime) -> None:
        self.usage = outcome.usage
        self._state = outcome.state or self._state
        before = [] if outcome.replaces_history and outcome.status == "done" else self.messages
        self.messages = [*before, *(_stored(message) for message in outcome.messages)]
        self.planned.extend(_planned(call, now) for call in outcome.calls)

    def _value(self, outcome: Outcome) -> Any:
        return orjson.loads(outcome.result or "{}").get("value")


def _state_text(spec: AgentSpec, state: BaseModel | Mapping[str, Any]) -> str:
    model = spec.cls.State
    return model.model_validate(state if isinstance(state, BaseModel) else dict(state)).model_dump_json()


def _stored(message: Message) -> Message:
    content, data = orjson.loads(to_json([message.content, message.data], "the message"))
    return Message(message.role, content, data)


def _planned(call: Call, now: datetime) -> Planned:
    payload = orjson.loads(call.payload)
    return Planned(call.session_id, call.method, tuple(payload["args"]), payload["kwargs"], call.at, call.delay, now)


def _request(path: str, method: str, json: Any, data: Any, query: Any, headers: Any) -> Request:
    builder = EnvironBuilder(path=path, method=method, json=json, data=data, query_string=query, headers=headers)
    try:
        made = builder.get_request()
        return Request(method, path, made.args, Headers(list(made.headers)), made.get_data(parse_form_data=False))
    finally:
        builder.close()


def _selected(selector: Selector, request: Request) -> Any:
    value = selector(request)
    return _on_loop(value) if inspect.iscoroutine(value) else value


def _on_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run on an event loop of its own; in a thread when the test itself runs on one."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
