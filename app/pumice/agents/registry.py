"""Loading the agents that a deployment serves."""

import dataclasses
import importlib
import sys
from pathlib import Path
from typing import TypeAlias

from pumice.agents.agent import Agent
from pumice.agents.middleware import load_middleware
from pumice.agents.names import AGENT_ID
from pumice.agents.spec import AgentSpec, describe
from pumice.errors import DeclarationError

Registry: TypeAlias = dict[str, AgentSpec]
"""The agents served, by id."""


def load_agents(declaration: str, middleware: str = "") -> Registry:
    """Load `id=module:Class,…`; modules are found from the working directory too.

    middleware: `module:callable,…`, which stand around the turns of all these agents.

    Raises `DeclarationError`, which names the entry and what is wrong with it.
    """
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    around_all = load_middleware(middleware)
    registry: Registry = {}
    for entry in filter(None, (part.strip() for part in declaration.split(","))):
        agent_id, _, path = entry.partition("=")
        if not AGENT_ID.fullmatch(agent_id):
            raise DeclarationError(f"AGENTS {entry!r}", "must look like id=module:Class")
        if agent_id in registry:
            raise DeclarationError(f"AGENTS {entry!r}", f"the id {agent_id!r} is there twice")
        spec = describe(_load_class(entry, path))
        registry[agent_id] = dataclasses.replace(spec, id=agent_id, middleware=(*around_all, *spec.middleware))
    return registry


def _load_class(entry: str, path: str) -> type[Agent]:
    module_name, _, class_name = path.partition(":")
    where = f"AGENTS {entry!r}"
    if not module_name or not class_name:
        raise DeclarationError(where, "must look like id=module:Class")
    try:
        module = importlib.import_module(module_name)
    except DeclarationError:
        raise
    except Exception as error:
        raise DeclarationError(where, f"{module_name} can't be imported: {type(error).__name__}: {error}") from error
    cls = getattr(module, class_name, None)
    if not (isinstance(cls, type) and issubclass(cls, Agent)):
        raise DeclarationError(where, f"{module_name} has no agent class {class_name}")
    return cls
