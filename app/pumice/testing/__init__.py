"""Running an agent in a test, in this process, without a server, a database or a broker."""

from pumice.testing.agent_session import AgentSession, Answer, Planned, session

__all__ = ["AgentSession", "Answer", "Planned", "session"]
