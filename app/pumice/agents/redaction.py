"""Whether an agent's author takes anything out of exports."""

from pumice.agents.agent import Agent
from pumice.agents.session_file import Redact


def redaction_of(agent: type[Agent]) -> Redact | None:
    """The `redact` that an agent's author wrote; None when there is none, and exports hold everything."""
    written = getattr(agent.redact, "__func__", None) is not getattr(Agent.redact, "__func__", None)
    return agent.redact if written else None
