"""What one turn lends an agent's instance: who it is, its history, and what it sends, schedules and calls."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import uuid_utils

from pumice.agents.json_text import dumps, loads
from pumice.agents.messages import Message
from pumice.agents.outgoing import LARGEST_OUTGOING, OutgoingEvent, checked_event_type
from pumice.agents.scheduling import ScheduleOperation, When, checked_timezone, read_when
from pumice.errors import SerializationError, TurnOverError

if TYPE_CHECKING:
    from pumice.agents.recordings import Answers, Recorder

Emit: TypeAlias = Callable[[str, dict[str, Any]], None]
"""Sends a live event of the given type (`delta` or `data`) with these fields."""

LARGEST_EVENT = 4_194_304
"""Bytes of one event at the most: streams hold several at a time, and one must not hold up the others."""
CULPRIT_DEPTH = 10
"""How many levels of a value an error message names."""


def new_id() -> str:
    """A new UUID version 7 (RFC 9562), as text."""
    return str(uuid_utils.uuid7())


def to_json(value: Any, field_name: str) -> str:
    """Serialise a value. Raises `SerializationError`, naming the field and what in it JSON can't hold."""
    try:
        return dumps(value, default=_encode_special).decode()
    except (TypeError, ValueError, UnicodeError, RecursionError) as error:
        raise SerializationError(_culprit(value, field_name), str(error)) from None


def _culprit(value: Any, name: str, depth: int = 0) -> str:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, item in items:
        try:
            dumps(item, default=_encode_special)
        except (TypeError, ValueError, UnicodeError, RecursionError):
            inner = f"{name}[{key}]" if isinstance(key, int) else f"{name}.{key}"
            return inner if depth == CULPRIT_DEPTH else _culprit(item, inner, depth + 1)
    return name


def _encode_special(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    if isinstance(value, set | frozenset):
        return sorted(value)
    message = f"type {type(value).__name__} is not JSON"
    raise TypeError(message)


@dataclass(frozen=True, slots=True)
class Interaction:
    """The interaction being run. `id` is the idempotency key for effects outside Pumice; `attempt` starts at 1.

    scheduled_for: when it was due, if the clock asked for it. missed: how many due times were folded into this one.
    """

    id: str
    kind: str
    name: str | None = None
    attempt: int = 1
    scheduled_for: datetime | None = None
    accepted_at: datetime | None = None
    missed: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """An outgoing interaction: run `method` on a session of the same agent, at `at` or after `delay` seconds."""

    id: str
    session_id: str
    method: str
    payload: str
    at: datetime | None = None
    delay: float = 0.0
    scheduled: bool = False


class History(Sequence[Message]):
    """A session's newest messages, oldest first. Loaded when first looked at."""

    def __init__(self, load: Callable[[], Iterable[Message]] = tuple) -> None:
        self._load = load
        self._loaded: list[Message] | None = None
        self._added: list[Message] = []

    @property
    def _all(self) -> list[Message]:
        if self._loaded is None:
            self._loaded = [*self._load(), *self._added]
        return self._loaded

    def with_added(self, messages: Iterable[Message]) -> "History":
        """A history that shows these messages too; loading stays as late as it was."""
        other = History(self._load)
        other._added = [*self._added, *messages]
        if self._loaded is not None:
            other._loaded = [*self._loaded, *messages]
        return other

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> list[Message]: ...
    def __getitem__(self, index: int | slice) -> Message | list[Message]:
        if isinstance(index, int) and -len(self._added) <= index < 0:
            return self._added[index]  # what came with this turn is there without loading what was said before
        return self._all[index]

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Message]:
        return iter(self._all)

    def __repr__(self) -> str:
        return f"History({self._all!r})"


def _ignore(_type: str, _fields: dict[str, Any]) -> None:
    """Emit nothing: nobody is listening to a detached agent."""


@dataclass(slots=True)
class TurnContext:
    """The turn that an agent's instance belongs to. A detached instance, made by hand, has one of its own.

    answers: what its model and tools are to answer, where they must not be asked. recording: what they did answer, as
    JSON; recorder: what notes it. not_asked: what was to be asked of a model, and was not, since the session is quiet.
    emitted: events for other systems, which leave with the commit. schedules: what is to become of the session's
    schedules, in order. timezone: the session's; moves: whether the turn sets it.
    """

    session_id: str = "detached"
    agent_id: str = "detached"
    interaction: Interaction = field(default_factory=lambda: Interaction(new_id(), "call"))
    history: History = field(default_factory=History)
    emit: Emit = _ignore
    calls: list[Call] = field(default_factory=list)
    sent: list[Any] = field(default_factory=list)
    emitted: list[OutgoingEvent] = field(default_factory=list)
    snapshots: list[tuple[str, str | None]] = field(default_factory=list)
    schedules: list[ScheduleOperation] = field(default_factory=list)
    timezone: str | None = None
    moves: bool = False
    usage: dict[str, Any] | None = None
    answers: "Answers | None" = None
    recording: str | None = None
    recorder: "Recorder | None" = None
    not_asked: list[dict[str, Any]] = field(default_factory=list)
    reply_data: dict[str, Any] | None = None
    partial: list[str] = field(default_factory=list)
    is_over: bool = False
    _half: str = ""

    def close(self) -> None:
        """End the turn: what a task or thread that it left behind still does is refused.

        Letting go of `emit` frees the turn at once: through it, it leads to the session's run and back to itself.
        """
        self.is_over = True
        self.emit = _ignore

    def send(self, data: Any) -> None:
        """Emit a `data` event.

        Raises `SerializationError` when the data is not JSON or too large, `TurnOverError` after the turn's end.
        """
        self._check_open("send")
        text = to_json(data, "the data sent")
        if len(text) > LARGEST_EVENT:
            raise SerializationError("the data sent", f"it has {len(text)} bytes, more than {LARGEST_EVENT}")
        value = loads(text)
        self.sent.append(value)
        self.emit("data", {"data": value})

    def emit_outgoing(self, event_type: str, data: Any) -> str:
        """Note an event for other systems, which leaves with this turn's commit. Returns its id.

        Raises `ValueError` for a type that can't be one, `SerializationError` when the data is not JSON or too large,
        `TurnOverError` after the turn's end.
        """
        self._check_open("emit")
        kind = checked_event_type(event_type)
        payload = to_json(data, f"the data of {kind}")
        if (size := len(payload.encode())) > LARGEST_OUTGOING:
            raise SerializationError(f"the data of {kind}", f"it has {size} bytes, more than {LARGEST_OUTGOING}")
        self.emitted.append(OutgoingEvent(new_id(), kind, payload))
        return self.emitted[-1].id

    def stream(self, text: str) -> None:
        """Emit a `delta` event and keep its text, for the case that the turn is interrupted.

        A character that was cut in two (half a surrogate pair) is held back until its other half comes.
        Raises `SerializationError` for text that is not Unicode or too long, `TurnOverError` after the turn's end.
        """
        self._check_open("stream")
        if self._half or not text.isascii():
            text, self._half = _whole(self._half + text)
        if len(text) > LARGEST_EVENT:
            raise SerializationError("the reply", f"one piece of it has more than {LARGEST_EVENT} characters")
        if text:
            self.emit("delta", {"content": text})
            self.partial.append(text)

    def end_stream(self) -> None:
        """See that nothing is left of a character cut in two. Raises `SerializationError`."""
        if self._half:
            raise SerializationError("the reply", "it ends with half a surrogate pair")

    def snapshot(self, name: str, note: str | None) -> None:
        """Note a name for the point that this turn leaves.

        Raises `ValueError` for a name given twice, `TurnOverError` after the turn's end.
        """
        self._check_open("snapshot")
        if any(name == other for other, _ in self.snapshots):
            raise ValueError(f"snapshot: this turn has a snapshot {name!r} already")
        self.snapshots.append((name, note))

    def _check_open(self, what: str) -> None:
        if self.is_over:
            raise TurnOverError(f"{what}: the turn of interaction {self.interaction.id} has ended")

    def call(self, session_id: str, method: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> str:
        """Note an outgoing call, which leaves with this turn's commit. Returns its interaction id.

        Raises `SerializationError` for arguments that are not JSON, `TurnOverError` after the turn's end.
        """
        self._check_open("call")
        payload = to_json({"args": arguments, "kwargs": options}, f"the arguments of {method}")
        self.calls.append(Call(new_id(), session_id, method, payload))
        return self.calls[-1].id

    def schedule(self, when: When, method: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> str:
        """Note a call to the session itself for later. Returns its interaction id.

        Raises `ValueError` for a time without a timezone and for one more than a century ahead, `TurnOverError` after
        the turn's end.
        """
        self._check_open("schedule")
        payload = to_json({"args": arguments, "kwargs": options}, f"the arguments of {method}")
        at, delay = read_when(when)
        self.calls.append(Call(new_id(), self.session_id, method, payload, at, delay, scheduled=True))
        return self.calls[-1].id

    def change_schedule(self, operation: ScheduleOperation) -> None:
        """Note what is to become of a key's schedule. Raises `TurnOverError` after the turn's end."""
        self._check_open("schedule")
        self.schedules.append(operation)

    def move_to(self, timezone: str | None) -> None:
        """Note the session's timezone. Raises `ValueError` for what is none, `TurnOverError` after the turn's end."""
        self._check_open("timezone")
        self.timezone, self.moves = None if timezone is None else checked_timezone(timezone), True


def _whole(text: str) -> tuple[str, str]:
    """The text with its surrogate pairs joined, and the half of a pair that it ends with, if it does.

    Raises `SerializationError` for any other half.
    """
    half = text[-1:] if text and "\ud800" <= text[-1] <= "\udbff" else ""
    whole = text[: len(text) - len(half)]
    try:
        whole.encode()
    except UnicodeEncodeError:
        try:
            whole = whole.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise SerializationError("the reply", "it holds half a surrogate pair") from None
    return whole, half


def is_uuid(text: str) -> bool:
    """Whether the text is a UUID, and so may be an interaction id."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True
