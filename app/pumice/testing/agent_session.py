"""`AgentSession`: what a test does with one session, as its clients, its senders of webhooks and the clock would."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from pumice.agents.agent import check_callable
from pumice.agents.chats import CHAT_SOURCE, chat_payload
from pumice.agents.context import to_json
from pumice.agents.deliveries import Handled, admit, body_fingerprint, dedupe_key, event_seconds, select_session
from pumice.agents.fingerprint import json_fingerprint
from pumice.agents.handlers import Hook
from pumice.agents.messages import Message
from pumice.agents.names import checked_key, static_session_id
from pumice.agents.requests import asks_async
from pumice.agents.state_text import read_state
from pumice.errors import Unauthorized
from pumice.testing.interactions import Planned, RecordedInteraction, StoredSession
from pumice.testing.limits import off_loop
from pumice.testing.progress import AT_ONCE, REPLY_TIMEOUT, Progress, moved_time
from pumice.testing.requests import (
    Answer,
    accepted_answer,
    as_sent,
    handled_answer,
    hook_answer,
    make_request,
    problem_answer,
)
from pumice.testing.schedules import PlannedSchedule, fire, move
from pumice.testing.store import InMemoryStore, NewInteraction


class AgentSession:
    """One session under test.

    Each of `chat`, `hook`, `job`, `receive` and `call` is one interaction, which runs before it returns, with all its
    attempts: the clock moves from one to the next for as long as a client would wait (25 s). What is still queued then
    is run by `advance`. What the agent raised in the last attempt is raised here; a turn past its limit raises the
    problem that its client is answered with.
    """

    def __init__(self, store: InMemoryStore, progress: Progress, stored: StoredSession) -> None:
        self._store = store
        self._progress = progress
        self._stored = stored

    @property
    def session_id(self) -> str:
        """The session's id."""
        return self._stored.id

    @property
    def now(self) -> datetime:
        """What the clock says."""
        return self._store.now

    @property
    def state(self) -> Any:
        """A copy of the state, as the next turn would load it."""
        model = self._store.spec.cls.State
        return model() if self._stored.state is None else read_state(model, self._stored.state)

    @property
    def messages(self) -> list[Message]:
        """The conversation."""
        return self._stored.messages

    @messages.setter
    def messages(self, messages: list[Message]) -> None:
        self._stored.messages = messages

    @property
    def metadata(self) -> dict[str, Any]:
        """The session's metadata: of one that was exported, else empty."""
        return self._stored.metadata

    @property
    def sent(self) -> list[Any]:
        """What `self.send` sent, in all turns."""
        return self._stored.sent

    @property
    def emitted(self) -> list[tuple[str, Any]]:
        """The type and data of each event that `self.emit` emitted, in all turns that were saved."""
        return self._stored.emitted

    @property
    def deltas(self) -> list[str]:
        """The chunks that the last turn streamed."""
        return self._stored.deltas

    @property
    def usage(self) -> dict[str, Any] | None:
        """What a language model used in the last turn."""
        return self._stored.usage

    @property
    def interactions(self) -> list[RecordedInteraction]:
        """All interactions of this session, in the order of acceptance, with their status, attempts and errors."""
        return [one for one in self._store.interactions if one.session is self._stored]

    @property
    def attempts(self) -> int:
        """How many attempts the interaction that ran last on this session has had."""
        return self._stored.attempts

    @property
    def planned(self) -> list[Planned]:
        """The calls that wait, of this session and for it, in the order in which they were made."""
        return [self._store.planned(one) for one in self._waiting_calls()]

    @property
    def scheduled(self) -> list[Planned]:
        """The calls that wait to be run on this session."""
        return [one for one in self.planned if one.session_id == self.session_id]

    @property
    def calls(self) -> list[Planned]:
        """The calls of this session that wait to be run on other sessions."""
        return [one for one in self.planned if one.session_id != self.session_id]

    @property
    def schedules(self) -> dict[str, PlannedSchedule]:
        """The session's schedules that have a key, by their keys."""
        return {key: PlannedSchedule.of(one) for key, one in self._stored.schedules.items()}

    @property
    def timezone(self) -> str | None:
        """The session's own timezone; None is UTC. Setting it moves the session, as a client of the API does."""
        return self._stored.timezone

    @timezone.setter
    def timezone(self, name: str | None) -> None:
        move(self._store, self._stored, name)

    def peer(self, session_id: str) -> "AgentSession":
        """Another session of the same agent, the one that `self.call` with this id reaches."""
        return AgentSession(self._store, self._progress, self._store.session(session_id))

    def chat(
        self,
        messages: str | Message | Iterable[str | Message | dict[str, Any]],
        *,
        history: Literal["append", "replace"] = "append",
        idempotency_key: str | None = None,
    ) -> str:
        """Send a message, or several, and return the reply's text; of a repeated `idempotency_key`, the first's reply.

        Raises `UnknownHook` for an agent that does not chat, and `InvalidField`.
        """
        given = [messages] if isinstance(messages, str | Message) else list(messages)
        encoded = [one.encode() if isinstance(one, Message) else one for one in given]
        payload = chat_payload(self._store.spec, {"messages": encoded, "history": history}, secret=True)
        key = None if idempotency_key is None else checked_key(idempotency_key, "Idempotency-Key")
        new = NewInteraction(
            kind="chat",
            name=None,
            payload=payload,
            dedupe=None if key is None else (CHAT_SOURCE, key),
            unnamed=self._stored.temporary,
            fingerprint=None if key is None else json_fingerprint(payload),
        )
        return self._run(self._stored, new).reply.text

    def hook(  # noqa: PLR0913 (a request's parts)
        self,
        name: str,
        *,
        json: Any = None,
        data: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        method: str | None = None,
        sign: bool | None = None,
    ) -> Answer:
        """Deliver a webhook. `json` is its body, or `data`: text, bytes, or a mapping of form fields and files.

        A request to a hook with a source goes as it is where the environment has the sender's secret, and is verified
        with that; elsewhere it is signed with a secret made for it. `sign=True` always signs, `sign=False` never. A
        request to be signed that has neither body nor query is the source's own sample.
        The hook's own `verify` and selectors run first. A request that is not verified is answered with 401, a repeated
        delivery with the first's answer, and one that is not finished when its caller stops waiting with 202.
        Raises `AssertionError` when the selector selects another session than this one, and the problems that its
        caller would be answered with: `UnknownHook`, `MethodNotAllowed`, `Malformed`, `SelectorFailed`, `InvalidField`.
        """
        spec = self._store.spec
        group = spec.addresses.get(name, ())
        verb = method or ("GET" if group and all("POST" not in one.methods for one in group) else "POST")
        made = make_request(f"/v1/agents/{spec.id}/hooks/{name}", verb, json, data, query, headers)
        received, secrets = as_sent(group[0].source if group else None, made, sign=sign)
        try:
            found = off_loop(admit, spec, name, received, secrets)
        except Unauthorized as problem:
            return problem_answer(problem)
        if isinstance(found, Handled):
            return handled_answer(found)
        hook, request = found.hook, found.request
        selected = off_loop(select_session, hook, request)
        self._adopt(hook, selected)
        dedupe = off_loop(dedupe_key, hook, request, request.headers.get)
        at = event_seconds(hook, request) if selected is not None else None
        is_stale = at is not None and self._stored.hook_times.get(name, at) > at
        new = NewInteraction(
            kind="hook",
            name=hook.name,
            payload=to_json(request.encode() | ({"stale": True} if is_stale else {}), "the request"),
            body=request.body or None,
            dedupe=dedupe,
            unnamed=self._stored.temporary,
            fingerprint=body_fingerprint(hook, request, request.headers.get),
        )
        if at is not None and not is_stale:
            self._stored.hook_times[name] = at
        at_once = hook.accepts or asks_async(request.headers.get("prefer"))
        one = self._accept(self._stored, new, AT_ONCE if at_once else REPLY_TIMEOUT)
        return accepted_answer(hook, one) if at_once or one.status == "queued" else hook_answer(one)

    def job(self, name: str, *, scheduled_for: datetime | None = None) -> Any:
        """Run a job as if it were due now, and return what it returned. Raises `LookupError`."""
        job = self._store.spec.jobs.get(name)
        if job is None:
            raise LookupError(f"{self._store.spec.cls.__name__} has no job {name!r}")
        session = self._store.session(static_session_id(name)) if job.static else self._stored
        due = scheduled_for or self._store.now
        return self._run(session, NewInteraction(kind="job", name=name, payload="{}", scheduled_for=due)).value

    def receive(self, data: Any) -> Any:
        """Deliver a custom socket frame, and return what `receive` returned."""
        payload = to_json({"data": data}, "the frame")
        return self._run(self._stored, NewInteraction(kind="socket", name=None, payload=payload)).value

    def call(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Run a method, as `self.call` from another session does, and return what it returned. Raises `LookupError`."""
        try:
            check_callable(self._store.spec.cls, method)
        except AttributeError as error:
            raise LookupError(str(error)) from None
        payload = to_json({"args": arguments, "kwargs": options}, f"the arguments of {method}")
        return self._run(self._stored, NewInteraction(kind="call", name=method, payload=payload)).value

    def run_scheduled(self) -> list[Any]:
        """Run what is planned now, in the order in which it is due, whenever that is, and return what it returned.

        Each schedule of this session fires once. The clock moves to each. What that plans in turn is left for the next
        time.
        """
        for key in list(self._stored.schedules):
            fire(self._store, self._stored, key)
        finished = self._progress.finish(self._waiting_calls())
        _raise_first(finished)
        return [one.value for one in finished]

    def advance(
        self, by: timedelta | float | None = None, *, to: datetime | None = None, jobs: bool = False
    ) -> list[RecordedInteraction]:
        """Move the clock by seconds or a timedelta, or to a time, and run what is due on the way.

        That is what was called and scheduled, in all sessions of the agent, what waits for another attempt and, with
        `jobs`, the agent's jobs, in the sessions that each is for. Each runs when it is due.
        Returns what was finished, in order. Raises what the first that failed raised, after all have run, and
        `ValueError` for a time that is past or has no timezone.
        """
        finished = self._progress.advance(moved_time(self._store.now, by, to), jobs=jobs)
        _raise_first(finished)
        return finished

    def _adopt(self, hook: Hook, selected: str | None) -> None:
        if self._stored.temporary and selected is not None:
            self._stored = self._store.name(self._stored, selected)
        elif not self._stored.temporary and selected != self.session_id:
            found = "no session (a temporary one would be made)" if selected is None else f"the session {selected!r}"
            raise AssertionError(f"the hook {hook.name!r} selected {found}, and this is {self.session_id!r}")

    def _run(self, session: StoredSession, new: NewInteraction) -> RecordedInteraction:
        """Accept an interaction and run it. Raises `NotFinishedError` when it takes longer than a client waits."""
        one = self._accept(session, new)
        if one.status == "queued":
            raise one.waits()
        return one

    def _accept(
        self, session: StoredSession, new: NewInteraction, patience: timedelta = REPLY_TIMEOUT
    ) -> RecordedInteraction:
        one = self._store.accept(session, new)
        meanwhile = self._progress.wait(one, patience)
        _raise_first([one, *meanwhile])
        return one

    def _waiting_calls(self) -> list[RecordedInteraction]:
        calls = (one for one in self._store.queued if one.made_by is not None)
        return [one for one in calls if self._stored in {one.session, one.made_by}]


def _raise_first(finished: Iterable[RecordedInteraction]) -> None:
    for one in finished:
        if (error := one.error) is not None:
            raise error
