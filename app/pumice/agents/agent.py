"""`Agent`, the class that authors write."""

import logging
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta
from typing import Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

from pumice.agents.context import History, Interaction, TurnContext
from pumice.agents.messages import Message
from pumice.agents.middleware import Middleware
from pumice.agents.scheduling import Unschedule, When, checked_schedule_key

Reply: TypeAlias = str | Message | Iterator[str] | AsyncIterator[str]


class Agent:
    """One instance is one session. Subclass it; what is declared wrongly fails when the class is made.

    model: a language model such as `openai:gpt-5-mini`, which gives a default `reply`.
    instructions: the model's instructions.
    history: how many of the newest messages `self.messages` and `reply` see.
    history_points: how many of a session's newest points are kept; 0 keeps none, None as many as HISTORY_POINTS says.
    state_version: the version of `State`; raise it, and say in `migrate_state` what becomes of older ones.
    on_busy: what a chat does while another is waiting or running: "queue", "reject", "interrupt", "latest", "merge".
    require_session_token: whether a public key reaches only sessions that a signed session token names.
    roles: what roles the messages of a public key may have; a secret key's may have any.
    indexes: fields that conditions on sessions often ask of, as `"state.plan"` or `"metadata.region"`.
    replay_ignore: what replays do not compare, as `"usage"` or `"state.updated_at"`; `*` stands for any key.
    middleware: what stands around each turn; see `pumice.agents.middleware`.
    """

    class State(BaseModel):
        """A session's state: a pydantic model, stored as JSON."""

        model_config = ConfigDict(validate_assignment=True)

    model: ClassVar[str | None] = None
    instructions: ClassVar[str] = ""
    history: ClassVar[int] = 100
    history_points: ClassVar[int | None] = None
    state_version: ClassVar[int] = 1
    on_busy: ClassVar[Literal["queue", "reject", "interrupt", "latest", "merge"]] = "queue"
    require_session_token: ClassVar[bool] = False
    roles: ClassVar[AbstractSet[str]] = frozenset({"user"})
    indexes: ClassVar[Sequence[str]] = ()
    replay_ignore: ClassVar[Sequence[str]] = ()
    middleware: ClassVar[Sequence[Middleware]] = ()

    state: Any
    _turn: TurnContext

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        from pumice.agents.spec import describe  # noqa: PLC0415 (spec needs Agent to tell what an author overrode)

        describe(cls)

    def __init__(self) -> None:
        self.bind(self.State(), TurnContext())

    def bind(self, state: Any, turn: TurnContext) -> None:
        """Put a state and a turn under this instance."""
        self.state = state
        self._turn = turn

    @property
    def turn(self) -> TurnContext:
        """The turn that this instance belongs to."""
        return self._turn

    @property
    def session_id(self) -> str:
        """The session's id."""
        return self._turn.session_id

    @property
    def interaction(self) -> Interaction:
        """The interaction being run: `id`, `kind`, `name`, `attempt`, `scheduled_for`, `missed`, `accepted_at`."""
        return self._turn.interaction

    @property
    def messages(self) -> History:
        """The session's newest messages, oldest first; read from the store when first looked at."""
        return self._turn.history

    @property
    def log(self) -> logging.LoggerAdapter[logging.Logger]:
        """A logger whose records carry the agent, session and interaction ids."""
        turn = self._turn
        extra = {"agent_id": turn.agent_id, "session_id": turn.session_id, "interaction_id": turn.interaction.id}
        return logging.LoggerAdapter(logging.getLogger(f"pumice.agent.{turn.agent_id}"), extra)

    def send(self, data: Any) -> None:
        """Send a `data` event, live, to every stream of this session.

        Raises `SerializationError` when it is not JSON.
        """
        self._turn.send(data)

    def emit(self, event_type: str, data: Any = None) -> str:
        """Send an event, such as `order.shipped`, to the agent's endpoints, after this turn's commit.

        Returns its id, which every delivery of it carries; see docs/outgoing.md.
        Raises `ValueError` for a type that can't be one, and `SerializationError` when the data is not JSON.
        """
        return self._turn.emit_outgoing(event_type, data)

    @property
    def timezone(self) -> str | None:
        """The session's own timezone, such as `Europe/Berlin`; None is UTC.

        Set it to move the session, with this turn's commit. Raises `ValueError` for what is no IANA timezone.
        """
        return self._turn.timezone

    @timezone.setter
    def timezone(self, name: str | None) -> None:
        self._turn.move_to(name)

    def schedule(self, when: When, method: str, *arguments: Any, key: str | None = None, **options: Any) -> str:
        """Run a method of this session later, once, after this turn's commit. Returns the interaction's id.

        `when` is a datetime with a timezone, a timedelta, or seconds. With a `key` it is the session's one schedule of
        that key, in place of the one before, and the key is returned; see docs/schedules.md.
        Raises `AttributeError` for an unknown method, `ValueError` for a wrong time or key.
        """
        from pumice.agents.schedule_calls import keyed  # noqa: PLC0415

        check_callable(type(self), method)
        if key is None:
            return self._turn.schedule(when, method, arguments, options)
        self._turn.change_schedule(keyed(self, when, method, arguments, options, key))
        return key

    def schedule_every(
        self,
        every: str | timedelta,
        method: str,
        *arguments: Any,
        key: str,
        timezone: str | None = None,
        **options: Any,
    ) -> str:
        """Run a method of this session again and again: by a cron expression, or an interval from now on.

        timezone: in which the cron expression is read (UTC unless given); `session` for the session's own. A key that
        has this very schedule keeps it as it is. Returns the key; see docs/schedules.md.
        Raises `AttributeError` for an unknown method, `ValueError` for a wrong expression, interval, timezone or key.
        """
        from pumice.agents.schedule_calls import recurring  # noqa: PLC0415

        check_callable(type(self), method)
        self._turn.change_schedule(recurring(self, every, method, arguments, options, key, timezone))
        return key

    def unschedule(self, key: str) -> None:
        """Cancel the schedule of a key, if there is one, and the run that it fired and nobody has started.

        Raises `ValueError` for what can't be a key.
        """
        self._turn.change_schedule(Unschedule(checked_schedule_key(key)))

    def call(self, session_id: str, method: str, *arguments: Any, **options: Any) -> str:
        """Run a method on another session of this agent, once, after this turn's commit. Returns the interaction's id.

        Raises `AttributeError` for an unknown method and `InvalidField` for a bad session id.
        """
        from pumice.agents.names import checked_session_id  # noqa: PLC0415

        check_callable(type(self), method)
        return self._turn.call(checked_session_id(session_id), method, arguments, options)

    def snapshot(self, name: str, *, note: str | None = None) -> None:
        """Keep the point that this turn leaves, under a name, as part of its commit.

        A session with a snapshot of that name fails the turn. Raises `ValueError` for a name that can't be one.
        """
        from pumice.agents.names import checked_snapshot_name  # noqa: PLC0415

        self._turn.snapshot(checked_snapshot_name(name), note)

    @classmethod
    def redact(cls, document: dict[str, Any]) -> dict[str, Any] | None:
        """Take personal data out of one line of an export: return what is left of it, or None to leave it out.

        Lines are told apart by `document["type"]`; see docs/export.md for what they hold.
        """
        return document

    @classmethod
    def migrate_state(cls, state: dict[str, Any], from_version: int) -> dict[str, Any]:  # noqa: ARG003 (for authors)
        """What becomes of a stored state of an older version; called before its session's next turn.

        It has its fields as JSON has them. What it returns must fit `State`.
        """
        return state

    def setup(self) -> Awaitable[None] | None:
        """Prepare a session, once in its life, before its first turn."""

    def reply(self, messages: Sequence[Message]) -> Reply | Awaitable[Reply]:
        """Answer a chat: text, a `Message`, or an iterator of text (streamed). The default asks `model`."""
        from pumice.agents.models import model_reply  # noqa: PLC0415 (an optional extra)

        return model_reply(self, messages)

    def receive(self, data: Any) -> Any:
        """Take a custom socket frame. What it returns, if anything, is sent back as `data`."""
        raise NotImplementedError(f"{type(self).__name__} takes no custom frames: it has no receive()")

    def on_error(self, error: BaseException) -> Any:
        """Learn that a turn failed for good; the turn's own changes are gone, changes made here are kept."""


def check_callable(agent: type[Agent], method: str) -> None:
    """Raise `AttributeError` unless the author of the class wrote a method of this name: only those can be called."""
    if method.startswith("_") or hasattr(Agent, method) or not callable(getattr(agent, method, None)):
        raise AttributeError(f"{agent.__name__} has no method {method!r} to call")
