"""What the fixture `pumice_session` gives a test: the sessions of its agents."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, overload

from pydantic import BaseModel

from pumice.agents.agent import Agent
from pumice.testing.agent_session import AgentSession
from pumice.testing.backend import Backend
from pumice.testing.recorded import read_file


class SessionFactory:
    """Makes the sessions of one test. Those of one agent share its clock, its deliveries and its calls."""

    def __init__(self, *, time_limits: bool, folder: Path | None = None) -> None:
        """folder: where the files of exported sessions are looked for."""
        self._time_limits = time_limits
        self._folder = folder or Path()
        self._backends: dict[type[Agent], Backend] = {}

    @overload
    def __call__(
        self,
        agent: type[Agent],
        session_id: str | None = None,
        *,
        state: BaseModel | Mapping[str, Any] | None = None,
        now: datetime | None = None,
    ) -> AgentSession: ...
    @overload
    def __call__(self, agent: str | Path, session_id: type[Agent]) -> AgentSession: ...
    def __call__(
        self,
        agent: type[Agent] | str | Path,
        session_id: str | type[Agent] | None = None,
        *,
        state: BaseModel | Mapping[str, Any] | None = None,
        now: datetime | None = None,
    ) -> AgentSession:
        """The agent's session of this id; a new one if the test has none yet, a temporary one without an id.

        Or, given a file and an agent, a session that stands where its export ended.
        state: that of a new session, on which `setup` has run. now: what the agent's clock says at first.
        Raises `ValueError` for a state of a session that the test has already and a time of a clock that it has
        already, and pydantic's `ValidationError` for a state that does not fit.
        """
        if isinstance(agent, str | Path):
            if session_id is None or isinstance(session_id, str):
                raise TypeError(f"pumice_session({str(agent)!r}, …): name the agent's class second")
            return self._exported(self._folder / agent, session_id)
        if session_id is not None and not isinstance(session_id, str):
            raise TypeError("pumice_session(agent, session_id): the session's id must be text")
        return self._backend(agent, now).session(session_id, state=state)

    def _exported(self, path: Path, agent: type[Agent]) -> AgentSession:
        file = read_file(path)
        now = None if agent in self._backends else file.ended
        return self._backend(agent, now).load(file)

    def _backend(self, agent: type[Agent], now: datetime | None) -> Backend:
        backend = self._backends.get(agent)
        if backend is None:
            backend = self._backends[agent] = Backend(agent, now=now, time_limits=self._time_limits)
        elif now is not None:
            raise ValueError(f"the clock of {agent.__name__} runs already: give `now` with its first session")
        return backend
