"""What a turn's language model and tools answered: noted while they are asked, and given again in a replay.

A recording is `{"model": [response, …], "tools": [{"id", "name", "result" or "error" or "retry", …}, …], "error"}`.
`model` has the responses as pydantic-ai writes them; `error` is what ended them, if something did. A tool has also what
it did to the session meanwhile: `state`, as operations of RFC 6902, `calls`, `sends`, `emits`, `snapshots`, `schedules`
and `timezone`. Each change stands once: at the tool that ended first after it.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pumice.agents.context import Call, TurnContext, new_id, to_json
from pumice.agents.failures import Failure, failure_of
from pumice.agents.json_patch import apply_patch, diff
from pumice.agents.json_text import dumps, loads
from pumice.agents.scheduling import NewSchedule, ScheduleOperation, Unschedule
from pumice.agents.state_text import read_state, write_state
from pumice.errors import RecordingError, SerializationError

if TYPE_CHECKING:
    from pumice.agents.agent import Agent

LIVE = '{"live": true}'
"""Stands for a recording where the model and the tools are to be asked anew, in a replay."""
MISSING = '{"model": [], "missing": true}'
"""Stands for one where nothing was recorded: no model was asked, or the session came from a file, which has none."""


class Recorder:
    """Notes what the tools of one turn answer, and what they do to its session."""

    def __init__(self, agent: "Agent") -> None:
        """Begin before the model is asked."""
        self._agent = agent
        self._state = _text_of(agent)
        self._seen = _Counts.of(agent.turn)
        self._zone = agent.turn.timezone
        self._tools: list[dict[str, Any]] = []
        self._ended: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}

    def ended(self, call_id: str, name: str, **answer: Any) -> None:
        """Note that a tool ended with a `result`, an `error` or a `retry`."""
        turn, state = self._agent.turn, _text_of(self._agent) or self._state
        seen = _Counts.of(turn)
        did = {
            "state": [] if state == self._state else diff(json.loads(self._state or "{}"), json.loads(state or "{}")),
            "calls": [_call(one) for one in turn.calls[self._seen.calls :]],
            "sends": turn.sent[self._seen.sent :],
            "emits": [{"type": one.type, "data": loads(one.payload)} for one in turn.emitted[self._seen.emitted :]],
            "snapshots": [list(one) for one in turn.snapshots[self._seen.snapshots :]],
            "schedules": [_schedule(one) for one in turn.schedules[self._seen.schedules :]],
            "timezone": [turn.timezone] if turn.moves and (not self._seen.moves or turn.timezone != self._zone) else [],
        }
        self._zone = turn.timezone
        self._state, self._seen = state, seen
        self._tools.append({"id": call_id, "name": name, **answer, **{key: one for key, one in did.items() if one}})

    def document(self, responses: list[Any], failed: BaseException | None, usage: dict[str, Any]) -> str:
        """The recording, as JSON, with what the model answered, what ended it, and what it had used by then."""
        self._ended = {"model": responses, "tools": self._tools}
        self._usage = usage
        return self.ended_by(None if failed is None else failure_of(failed))

    def ended_by(self, failure: Failure | None) -> str:
        """The same, once it is known that the turn ended in this way: a time limit cancels what it ends."""
        if failure is None:
            return _written(self._ended)
        return _written(self._ended | {"error": [failure.type, failure.message], "usage": self._usage})


@dataclass(slots=True)
class Answers:
    """What a model and tools are to answer in a quiet session: a recording, or nothing at all.

    responses: the model's, None where nothing is recorded: then it is not asked. error: what it failed with after them,
    having used `usage`; has_failed: it did so again. is_missing: a replay, of a turn without a recording.
    """

    responses: list[Any] | None = None
    tools: list[dict[str, Any]] = field(default_factory=list)
    error: list[str] | None = None
    usage: dict[str, Any] | None = None
    is_missing: bool = False
    has_failed: bool = False
    given: set[int] = field(default_factory=set)

    @classmethod
    def read(cls, text: str | None) -> "Answers | None":
        """From what a piece of work brings. Returns None where the model and the tools are to be asked."""
        if text is None:
            return None
        recorded = json.loads(text) if text else {}
        if recorded.get("live"):
            return None
        error, usage, is_missing = (recorded.get(name) for name in ("error", "usage", "missing"))
        return cls(recorded.get("model"), recorded.get("tools", []), error, usage, is_missing=bool(is_missing))

    def response(self) -> Any:
        """The model's next response. Raises what it failed with then, or `RecordingError` when it gave no more."""
        if not self.responses and self.error is not None:
            raise self._failed(self.error)
        if self.is_missing:
            raise RecordingError("nothing that a model answered was recorded for this turn")
        if not self.responses:
            raise RecordingError("the model is asked once more than it was when this was recorded")
        return self.responses.pop(0)

    def tool(self, agent: "Agent", call_id: str) -> dict[str, Any]:
        """What a tool answered; what it did to the session is done again. Of calls of one id, each gets its own.

        Raises `RecordingError` for a call that was not made then, or whose doing does not fit the state any more, and
        what ended the turn before the tool did.
        """
        ones = (place for place, one in enumerate(self.tools) if one["id"] == call_id and place not in self.given)
        place = next(ones, None)
        if place is None and self.error is not None:
            raise self._failed(self.error)
        if place is None:
            raise RecordingError(f"the tool call {call_id!r} was not made when this was recorded")
        for one in self.tools[: place + 1]:  # those that ended before it come before it
            _do(agent, one)
        self.given.add(place)
        return self.tools[place]

    def _failed(self, error: list[str]) -> Exception:
        self.has_failed = True
        return recorded_error(error)


@dataclass(frozen=True, slots=True)
class _Counts:
    calls: int
    sent: int
    emitted: int
    snapshots: int
    schedules: int
    moves: bool

    @classmethod
    def of(cls, turn: TurnContext) -> "_Counts":
        counts = len(turn.calls), len(turn.sent), len(turn.emitted), len(turn.snapshots), len(turn.schedules)
        return cls(*counts, turn.moves)


def described(error: BaseException) -> list[str]:
    """An exception's type and text, as recorded; its own code may raise instead of telling it."""
    failure = failure_of(error)
    return [failure.type, failure.message]


def recorded_error(told: list[str]) -> Exception:
    """An exception of that type's name, with that text."""
    name, message = told
    error: Exception = type(name, (Exception,), {})(message)
    return error


def as_json(value: Any, what: str) -> Any:
    """A tool's result as JSON has it; its text if JSON can't hold it, since the model is told no more either."""
    try:
        return loads(to_json(value, what))
    except SerializationError:
        return str(value)


def _written(document: dict[str, Any]) -> str:
    """A recording as JSON. Halves of surrogate pairs, on which a turn may have failed, are written as escapes."""
    try:
        return dumps(document).decode()
    except TypeError:
        return json.dumps(document)


def _text_of(agent: "Agent") -> str | None:
    """The state as it stands; None while a tool has left in it what can't be stored. The turn's end says what."""
    try:
        return write_state(agent.state, type(agent).State)
    except SerializationError:
        return None


def _call(one: Call) -> dict[str, Any]:
    at = None if one.at is None else one.at.isoformat()
    told = {"sessionId": one.session_id, "method": one.method, "payload": one.payload, "scheduled": one.scheduled}
    return told | {"at": at, "delay": one.delay}


def _schedule(one: ScheduleOperation) -> dict[str, Any]:
    if isinstance(one, Unschedule):
        return {"key": one.key}
    told = {"key": one.key, "method": one.method, "payload": one.payload, **one.when}
    return told | ({} if one.at is None else {"at": one.at.isoformat()})


def _read_schedule(told: dict[str, Any]) -> ScheduleOperation:
    if "method" not in told:
        return Unschedule(told["key"])
    at = {"at": datetime.fromisoformat(told["at"])} if "at" in told else {}
    return NewSchedule(**{**told, **at})


def _do(agent: "Agent", tool: dict[str, Any]) -> None:
    """Do what a tool did, once."""
    turn, operations = agent.turn, tool.pop("state", [])
    if operations:
        try:
            state = json.loads(write_state(agent.state, type(agent).State))
            agent.state = read_state(type(agent).State, json.dumps(apply_patch(state, operations)))
        except (ValueError, LookupError, SerializationError) as error:
            raise RecordingError(f"what {tool['name']} did then does not fit this state: {error}") from error
    for call in tool.pop("calls", []):
        at = None if call["at"] is None else datetime.fromisoformat(call["at"])
        turn.calls.append(
            Call(new_id(), call["sessionId"], call["method"], call["payload"], at, call["delay"], call["scheduled"])
        )
    for data in tool.pop("sends", []):
        turn.send(data)
    for one in tool.pop("emits", []):
        turn.emit_outgoing(one["type"], one["data"])
    for name, note in tool.pop("snapshots", []):
        turn.snapshots.append((name, note))
    turn.schedules += [_read_schedule(one) for one in tool.pop("schedules", [])]
    for zone in tool.pop("timezone", []):
        turn.move_to(zone)
