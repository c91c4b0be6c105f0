"""What importing the agents in a process of its own tells `pumice dev`: how to call them, what to watch, what is wrong.

The supervisor itself never imports an author's code, so it never holds an old version of it.
"""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from pumice.dev.files import Signature


class HookSample(BaseModel):
    """A hook, and a request that it understands. is_signed: its sender signs, so that it has to be triggered."""

    model_config = ConfigDict(frozen=True)

    name: str
    methods: tuple[str, ...]
    body: Any = None
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    is_signed: bool = False


class ServedAgent(BaseModel):
    """An agent as its callers see it."""

    model_config = ConfigDict(frozen=True)

    id: str
    can_chat: bool
    hooks: tuple[HookSample, ...] = ()


class Inspection(BaseModel):
    """The outcome of importing what `declaration` (as in AGENTS) names.

    `mistake` is one line that says why the agents can't be served; None when they can. `files` are the author's that
    were read, those of modules that failed included, and where a module that was not found would be.
    """

    model_config = ConfigDict(frozen=True)

    declaration: str
    agents: tuple[ServedAgent, ...] = ()
    files: dict[str, Signature] = {}
    notes: tuple[str, ...] = ()
    mistake: str | None = None

    @property
    def ids(self) -> list[str]:
        """The agents' ids."""
        return [agent.id for agent in self.agents]

    def write(self, path: Path) -> None:
        """Store it at `path`."""
        path.write_text(self.model_dump_json(), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "Inspection | None":
        """What was stored at `path`; None when nothing was."""
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        return cls.model_validate_json(text) if text else None
