"""`pumice agents` and `pumice jobs`: what AGENTS declares, as it is loaded here."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from pumice.cli.instance import instance_option, settings_of
from pumice.cli.output import json_option, print_json, print_table
from pumice.errors import SettingsError

NEXT = 3
"""How many due times of a job are printed."""


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
        for spec in _registry(data_dir).values()
    ]
    if as_json:
        print_json(rows)
        return
    cells = [
        [", ".join(value) or "-" if isinstance(value, list) else _yes_or_no(value) for value in row.values()]
        for row in rows
    ]
    print_table(("AGENT", "CLASS", "CHAT", "HOOKS", "JOBS", "TOOLS"), cells)


@click.group()
def jobs() -> None:
    """Jobs: what runs when."""


@jobs.command(name="list")
@json_option
@instance_option
def list_(data_dir: Path, *, as_json: bool) -> None:
    """List the jobs of all agents, each with the next three times at which it is due."""
    now = datetime.now(UTC)
    rows = [
        {
            "agentId": spec.id,
            "name": name,
            "cron": job.schedule.text,
            "timezone": job.timezone,
            "static": job.static,
            "next": _due_times(job, now),
        }
        for spec in _registry(data_dir).values()
        for name, job in spec.jobs.items()
    ]
    if as_json:
        print_json(rows)
        return
    cells = [
        (row["agentId"], row["name"], row["cron"], row["timezone"], "once" if row["static"] else "each session",
         ", ".join(f"{due:%Y-%m-%d %H:%M:%S%z}" for due in row["next"]))
        for row in rows
    ]  # fmt: skip
    print_table(("AGENT", "JOB", "CRON", "TIMEZONE", "RUNS", "NEXT"), cells)


def _registry(data_dir: Path) -> Any:
    from pumice.agents.registry import load_agents

    settings = settings_of(data_dir)
    if not settings.agents:
        raise SettingsError([("AGENTS", "is not set, so nothing is served: AGENTS=id=module:Class,…")])
    return load_agents(settings.agents, settings.middleware)


def _due_times(job: Any, now: datetime) -> list[datetime]:
    """The job's next due times, in its own timezone."""
    found: list[datetime] = []
    while len(found) < NEXT and (due := job.schedule.next(found[-1] if found else now, job.zone)) is not None:
        found.append(due)
    return [due.astimezone(job.zone) for due in found]


def _yes_or_no(value: Any) -> Any:
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
