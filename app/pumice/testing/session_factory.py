"""What the fixture `pumice_session` gives a test: the sessions of its agents."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from pumice.agents.agent import Agent
from pumice.testing.agent_session import AgentSession
from pumice.testing.backend import Backend


class SessionFactory:
    """Makes the sessions of one test. Those of one agent share its clock, its deliveries and its calls."""

    def __init__(self, *, time_limits: bool) -> None:
        self._time_limits = time_limits
        self._backends: dict[type[Agent], Backend] = {}

    def __call__(
        self,
        agent: type[Agent],
        session_id: str | None = None,
        *,
        state: BaseModel | Mapping[str, Any] | None = None,
        now: datetime | None = None,
    ) -> AgentSession:
        """The agent's session of this id; a new one if the test has none yet, a temporary one without an id.

        state: that of a new session, on which `setup` has run. now: what the agent's clock says at first.
        Raises `ValueError` for a state of a session that the test has already and a time of a clock that it has
        already, and pydantic's `ValidationError` for a state that does not fit.
        """
        backend = self._backends.get(agent)
        if backend is None:
            backend = self._backends[agent] = Backend(agent, now=now, time_limits=self._time_limits)
        elif now is not None:
            raise ValueError(f"the clock of {agent.__name__} runs already: give `now` with its first session")
        return backend.session(session_id, state=state)
