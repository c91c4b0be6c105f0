"""How workers and beat end when they can't work."""

import sys

from pumice.agents.registry import Registry, load_agents
from pumice.errors import DeclarationError
from pumice.settings import Settings


def load_agents_or_end(settings: Settings) -> Registry:
    """Load the agents. Ends the process with a line on stderr and exit status 1 when they can't be served."""
    try:
        return load_agents(settings.agents, settings.middleware)
    except DeclarationError as error:
        sys.stderr.write(f"pumice: {' '.join(str(error).split())}\n")
        # What a signal's receiver raises is logged and forgotten; only this ends Celery.
        raise SystemExit(1) from None
