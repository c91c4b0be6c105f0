"""Running an agent in a test, in this process, without a server, a database or a broker.

    session = testing.session(OrderDesk)
    session.hook("order-update", json={"id": "7", "status": "sent", "customer": {"id": "c1"}})
    assert session.chat("hi") == "You have 1 orders."

Turns are run by the code that a worker runs: what a turn did is kept if it succeeds and gone if it fails, failed
attempts are made again, and what is kept is what Postgres would give back. Time is the session's own: it stands still
until the test moves it. What the agent raised in its last attempt is raised in the test.
"""

from pumice.sessions.finished import TurnTimedOut
from pumice.testing.agent_session import AgentSession
from pumice.testing.backend import session
from pumice.testing.interactions import NotFinishedError, Planned, RecordedInteraction
from pumice.testing.recorded import RecordedTurn, Recording, TurnResult, recording
from pumice.testing.requests import Answer
from pumice.testing.session_factory import SessionFactory

__all__ = [
    "AgentSession",
    "Answer",
    "NotFinishedError",
    "Planned",
    "RecordedInteraction",
    "RecordedTurn",
    "Recording",
    "SessionFactory",
    "TurnResult",
    "TurnTimedOut",
    "recording",
    "session",
]
