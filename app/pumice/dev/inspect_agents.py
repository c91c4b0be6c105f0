"""Imports the agents and writes an `Inspection`.

Run as `python -m pumice.dev.inspect_agents RESULT AGENTS MIDDLEWARE`, where the last two may be empty. It runs in a
process of its own, which may hang, end or be killed by what it imports.
"""

import importlib
import os
import sys
from pathlib import Path

from pumice.agents.registry import load_agents
from pumice.agents.spec import AgentSpec
from pumice.dev.imports import ImportRecorder
from pumice.dev.inspection import HookSample, Inspection, ServedAgent
from pumice.dev.mistakes import one_line
from pumice.dev.samples import sample
from pumice.errors import DeclarationError

EXAMPLES = {
    "desk": "examples.orders:OrderDesk",
    "watch": "examples.github:RepositoryWatcher",
    "assistant": "examples.assistant:Assistant",
}
"""What is served when nothing else is named."""
NOTHING = "there is nothing to serve: name your agents with --agents id=module:Class,… or with AGENTS in .env"


def main() -> None:
    """Write the result for the agents named by the second argument, or the examples if it is empty."""
    inspect_agents(*sys.argv[2:4]).write(Path(sys.argv[1]))
    sys.stdout.flush()
    os._exit(0)  # an author's threads and exit handlers have no part in this


def inspect_agents(declaration: str, middleware: str = "") -> Inspection:
    """Import the agents that `declaration` names, or the examples if it is empty, and the middleware named."""
    notes: list[str] = []
    agents: list[ServedAgent] = []
    mistake = None
    with ImportRecorder() as recorder:
        try:
            declaration = declaration or _importable_examples(notes)
            agents = [served(spec) for spec in load_agents(declaration, middleware).values()]
            mistake = None if agents else NOTHING
        except BaseException as error:
            mistake = one_line(error, recorder.is_authors)
    files = recorder.files if mistake is None else {**recorder.missing, **recorder.files}
    return Inspection(declaration=declaration, agents=tuple(agents), files=files, notes=tuple(notes), mistake=mistake)


def served(spec: AgentSpec) -> ServedAgent:
    """The agent as its callers see it."""
    hooks = [
        HookSample(
            name=address,
            methods=group[0].methods,
            body=request.body,
            query=dict(request.query),
            headers={name: text for name, text in request.headers.items() if "{" not in text},
            is_signed=group[0].source is not None and bool(group[0].source.secrets),
        )
        for address, group in spec.addresses.items()
        for request in [sample(spec, address, group[0])]
    ]
    return ServedAgent(id=spec.id, can_chat=spec.can_chat, hooks=tuple(hooks))


def _importable_examples(notes: list[str]) -> str:
    """The examples as AGENTS would name them. Adds a note on each that can't be imported here."""
    sys.path.insert(0, str(Path.cwd()))
    chosen = []
    for agent, target in EXAMPLES.items():
        try:
            importlib.import_module(target.partition(":")[0])
        except (ImportError, DeclarationError) as error:
            notes.append(f"not serving the example {agent}={target}: {error}")
        else:
            chosen.append(f"{agent}={target}")
    return ",".join(chosen)


if __name__ == "__main__":
    main()
