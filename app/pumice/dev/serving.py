"""Which agents `pumice dev` serves, with which keys."""

import importlib
from collections.abc import Mapping
from typing import Any

from pumice.agents.registry import load_agents
from pumice.dev.datadir import AgentKeys, DataDirectory
from pumice.errors import DeclarationError
from pumice.sessions.api_keys import create_key, list_keys

EXAMPLES = {
    "desk": "examples.orders:OrderDesk",
    "watch": "examples.github:RepositoryWatcher",
    "assistant": "examples.assistant:Assistant",
}
"""What is served when nothing else is named."""


def importable_examples() -> tuple[str, list[str]]:
    """The examples as AGENTS would name them, and a note on each that can't be imported here."""
    chosen, notes = [], []
    for agent, target in EXAMPLES.items():
        try:
            importlib.import_module(target.partition(":")[0])
        except (ImportError, DeclarationError) as error:
            notes.append(f"not serving the example {agent}={target}: {error}")
        else:
            chosen.append(f"{agent}={target}")
    return ",".join(chosen), notes


def load(agents: str) -> Mapping[str, Any]:
    """The agents named by `agents`, by id. Raises `DeclarationError` for one that can't be served."""
    return load_agents(agents)


def ensure_keys(data: DataDirectory, database_url: str, agents: list[str]) -> dict[str, AgentKeys]:
    """A public and a secret key for each agent: the remembered ones while the database knows them, else new ones."""
    remembered = data.keys()
    keys = {
        agent: remembered[agent]
        if agent in remembered and _valid(database_url, agent, remembered[agent])
        else AgentKeys(
            publicKey=create_key(database_url, agent, "public"),
            secretKey=create_key(database_url, agent, "secret"),
        )
        for agent in agents
    }
    data.remember_keys({**remembered, **keys})
    return keys


def _valid(database_url: str, agent: str, keys: AgentKeys) -> bool:
    known = [row for row in list_keys(database_url, agent) if row.revoked_at is None]
    return all(
        any(row.kind == kind and plain.startswith(row.prefix) for row in known)
        for kind, plain in (("public", keys["publicKey"]), ("secret", keys["secretKey"]))
    )
