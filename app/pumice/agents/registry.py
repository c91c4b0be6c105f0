"""Loading the agents that a deployment serves."""

import dataclasses
import importlib
import sys
import sysconfig
import traceback
from pathlib import Path
from typing import TypeAlias

from pumice.agents.agent import Agent
from pumice.agents.code_version import code_version
from pumice.agents.hidden_packages import check_hidden_packages
from pumice.agents.middleware import load_middleware
from pumice.agents.names import AGENT_ID
from pumice.agents.spec import AgentSpec, describe
from pumice.errors import DeclarationError

Registry: TypeAlias = dict[str, AgentSpec]
"""The agents served, by id."""

NOT_AUTHORS = (str(Path(__file__).parents[1]), *(sysconfig.get_path(name) for name in ("stdlib", "purelib", "platlib")))
"""Folders whose code is not an author's: Pumice, Python and what is installed."""


def load_agents(declaration: str, middleware: str = "", release: str = "") -> Registry:
    """Load `id=module:Class,…`; modules are found from the working directory too.

    middleware: `module:callable,…`, which stand around the turns of all these agents.
    release: what their points are marked with; by default a digest of each one's code.

    Raises `DeclarationError`, which names the entry and what is wrong with it.
    """
    check_hidden_packages()
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
        around = (*around_all, *spec.middleware)
        version = release or code_version(spec.cls)
        registry[agent_id] = dataclasses.replace(spec, id=agent_id, middleware=around, code_version=version)
    return registry


def _load_class(entry: str, path: str) -> type[Agent]:
    module_name, _, class_name = path.partition(":")
    where = f"AGENTS {entry!r}"
    if not module_name or not class_name:
        raise DeclarationError(where, "must look like id=module:Class")
    try:
        module = importlib.import_module(module_name)
    except DeclarationError as error:
        raise DeclarationError(_place(error) + error.where, error.what) from error
    except (Exception, SystemExit) as error:
        what = f"{_place(error)}{type(error).__name__}: {_message(error)}"
        raise DeclarationError(where, f"{module_name} can't be imported: {what}") from error
    cls = getattr(module, class_name, None)
    if not (isinstance(cls, type) and issubclass(cls, Agent)):
        raise DeclarationError(where, f"{module_name} has no agent class {class_name}")
    return cls


def _place(error: BaseException) -> str:
    """The innermost line of an author's that this came from, as `file:line: `; empty when there is none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: "
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_authors(frame.filename)]
    return f"{frames[-1].filename}:{frames[-1].lineno}: " if frames else ""


def _is_authors(file: str) -> bool:
    return not file.startswith("<") and not any(Path(file).is_relative_to(folder) for folder in NOT_AUTHORS)


def _message(error: BaseException) -> str:
    return error.msg if isinstance(error, SyntaxError) else str(error)
