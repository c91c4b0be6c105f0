"""The pytest plugin: the fixture `pumice_session`, for tests of an author's agents.

def test_orders(pumice_session):
    desk = pumice_session(OrderDesk, "c1")
    assert desk.chat("hi") == "You have 0 orders."
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
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


@pytest.fixture
def pumice_session(pytestconfig: pytest.Config) -> SessionFactory:
    """Make sessions of agents under test: `pumice_session(OrderDesk, "c1")`; see `pumice.testing.session`.

    With `--pdb` and `--trace` turns have no time limits, and sync handlers run on the test's own thread.
    """
    debugged = pytestconfig.getoption("usepdb", False) or pytestconfig.getoption("trace", False)
    return SessionFactory(time_limits=not debugged)
