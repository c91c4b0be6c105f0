"""`pumice agents`: what AGENTS declares, as it is loaded here."""

from pathlib import Path
from typing import Any

import click

from pumice.cli.instance import instance_option, settings_of
from pumice.cli.output import json_option, print_json, print_table
from pumice.errors import SettingsError


@click.command()
@json_option
@instance_option
def agents(data_dir: Path, *, as_json: bool) -> None:
    """List the agents served, with their hooks, jobs and tools."""
    rows = [
        {
            "id": spec.id,
            "class": f"{spec.cls.__module__}:{spec.cls.__qualname__}",
            "chat": spec.can_chat,
            "hooks": list(spec.addresses),
            "jobs": list(spec.jobs),
            "tools": list(spec.tools),
        }
        for spec in loaded_agents(data_dir).values()
    ]
    if as_json:
        print_json(rows)
        return
    cells = [
        [", ".join(value) or "-" if isinstance(value, list) else _yes_or_no(value) for value in row.values()]
        for row in rows
    ]
    print_table(("AGENT", "CLASS", "CHAT", "HOOKS", "JOBS", "TOOLS"), cells)


def loaded_agents(data_dir: Path) -> Any:
    """The agents that AGENTS names. Raises `SettingsError` when it names none, `DeclarationError`."""
    from pumice.agents.registry import load_agents

    settings = settings_of(data_dir)
    if not settings.agents:
        raise SettingsError([("AGENTS", "is not set, so nothing is served: AGENTS=id=module:Class,…")])
    return load_agents(settings.agents, settings.middleware)


def _yes_or_no(value: Any) -> Any:
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
