"""A session in memory: its last good state, its history, and the turn that is running on it."""

import json
import re
from typing import Any, Never

from pydantic import ValidationError

from pumice.agents.agent import Agent
from pumice.agents.context import History, TurnContext
from pumice.agents.spec import AgentSpec
from pumice.errors import SerializationError

NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")
"""An escaped NUL character in JSON text, and not an escaped backslash followed by u0000."""


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
            if self.state is not None and self._saved is None:
                self._saved = self._parsed.model_dump_json()
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
            self._parsed = None  # the instance keeps its own: what it left behind may still change it
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
