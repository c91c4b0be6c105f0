"""A session in memory: its last good state, its history, and the turn that is running on it."""

from typing import Any

from pumice.agents.agent import Agent
from pumice.agents.context import History, TurnContext
from pumice.agents.spec import AgentSpec
from pumice.agents.state_text import load_state, read_back, with_unknown, write_state


class LiveSession:
    """A session in memory: its last good state, its history, and the turn that is running on it."""

    def __init__(
        self,
        spec: AgentSpec,
        session_id: str,
        state: str | None,
        history: History,
        *,
        state_version: int | None = None,
        timezone: str | None = None,
    ) -> None:
        """`state`: as it is stored, of `state_version`, by default the class's. timezone: the session's own."""
        self.spec = spec
        self._version = spec.cls.state_version if state_version is None else state_version
        self._unknown: dict[str, Any] = {}
        self.session_id = session_id
        self.state = state
        self.history = history
        self.timezone = timezone
        self.turn: TurnContext | None = None
        self._parsed: Any = None
        self._saved: str | None = None

    @property
    def is_new(self) -> bool:
        """Whether `setup` has not run yet."""
        return self.state is None

    def activate(self, turn: TurnContext) -> Agent:
        """An instance on the last good state.

        Raises `StoredStateError` when the stored state does not fit the class.
        """
        cls = self.spec.cls
        if self._parsed is None:
            self._parsed = cls.State() if self.state is None else self._load(self.state)
        agent = cls() if cls.__init__ is not Agent.__init__ else cls.__new__(cls)
        agent.bind(self._parsed, turn)
        self.turn = turn
        return agent

    def save(self, agent: Agent) -> str | None:
        """Take the instance's state as the last good one. Returns it as JSON, or None when it did not change.

        Raises `SerializationError`, naming the field, when it can't be stored, or could be but not loaded again.
        """
        text = write_state(agent.state, self.spec.cls.State)
        stored = with_unknown(text, self._unknown)
        if stored == self._saved:
            if not self.spec.tells_all:
                read_back(agent.state, text)
            self._parsed = None  # the instance keeps its own: what it left behind may still change it
            return None
        self._parsed = read_back(agent.state, text)
        self.state = self._saved = stored
        return stored

    def _load(self, stored: str) -> Any:
        state, self.state, unknown = load_state(self.spec.cls, stored, self._version)
        if self._version != self.spec.cls.state_version:
            self._version, self._saved, self._unknown = self.spec.cls.state_version, "", unknown
        elif self._saved is None:
            self._unknown = unknown
            self._saved = with_unknown(write_state(state, self.spec.cls.State), unknown)
        return state

    def discard(self) -> None:
        """Forget what the running turn did to the state."""
        self._parsed = None
