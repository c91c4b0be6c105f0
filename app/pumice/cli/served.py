"""The agents that AGENTS names, as they are loaded here."""

from pathlib import Path
from typing import TYPE_CHECKING

from pumice.cli.failing import Failed
from pumice.cli.instance import settings_of
from pumice.cli.output import clean

if TYPE_CHECKING:
    from pumice.agents.registry import Registry
    from pumice.agents.spec import AgentSpec


def served_specs(data_dir: Path) -> "Registry":
    """All of them. Raises `DeclarationError`, `SettingsError`."""
    from pumice.agents.registry import load_agents

    settings = settings_of(data_dir)
    return load_agents(settings.agents, settings.middleware)


def served_spec(data_dir: Path, agent: str) -> "AgentSpec":
    """One of them. Raises `Failed` for an agent that is not served here."""
    found = served_specs(data_dir).get(agent)
    if found is None:
        raise Failed(clean(f"pumice: AGENTS names no agent {agent!r}"))
    return found
