"""`pumice jobs`: what runs when, how far it is, and pausing it."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pumice.cli.agents import loaded_agents
from pumice.cli.history import open_store
from pumice.cli.instance import instance_option
from pumice.cli.job_runs import COMMANDS
from pumice.cli.output import ROWS, clean, json_option, print_json, print_table
from pumice.cli.progress import bar_of
from pumice.cli.served import served_spec

if TYPE_CHECKING:
    from pumice.sessions.connections import StoreConnection

TITLES = ("AGENT", "JOB", "SCHEDULE", "TIMEZONE", "RUNS", "STATUS", "LAST", "MISSED", "NEXT")
TICK_TITLES = ("DUE", "KIND", "SESSIONS", "DONE", "FAILED", "SKIPPED", "MISSED", "PROGRESS")


@click.group()
def jobs() -> None:
    """Jobs: what runs when, what became of it, and running it by hand."""


for one in COMMANDS:
    jobs.add_command(one)


@jobs.command(name="list")
@click.option("--agent", help="Only of this agent.")
@json_option
@instance_option
def list_(agent: str | None, data_dir: Path, *, as_json: bool) -> None:
    """List the jobs of all agents: when they are due, and how far their newest ticks are."""
    from pumice.sessions.job_documents import job_documents

    specs = loaded_agents(data_dir) if agent is None else {agent: served_spec(data_dir, agent)}
    with open_store(data_dir) as store:
        rows = [row for spec in specs.values() for row in job_documents(store, spec.id, spec.jobs)]
    if as_json:
        print_json(rows)
        return
    print_table(TITLES, [_cells(row) for row in rows])


@jobs.command()
@click.argument("agent")
@click.argument("job")
@click.option("--limit", default=20, show_default=True, type=ROWS, help="The newest so many.")
@json_option
@instance_option
def ticks(agent: str, job: str, limit: int, data_dir: Path, *, as_json: bool) -> None:
    """List a job's ticks, newest first, and how far each is."""
    from pumice.sessions.job_documents import job_document, tick_document
    from pumice.sessions.job_rows import list_ticks

    spec = served_spec(data_dir, agent)
    with open_store(data_dir) as store:
        job_document(store, agent, spec.jobs, job)
        rows = [tick_document(row) for row in list_ticks(store, agent, job, before=None, limit=limit)]
    if as_json:
        print_json(rows)
        return
    names = ("scheduledFor", "kind", "sessions", "done", "failed", "skipped", "missed")
    print_table(TICK_TITLES, [(*(row[name] for name in names), _progress(row)) for row in rows])


@jobs.command()
@click.argument("agent")
@click.argument("job")
@json_option
@instance_option
def pause(agent: str, job: str, data_dir: Path, *, as_json: bool) -> None:
    """Pause a job: due times from now on are not run."""
    from pumice.sessions import job_pauses

    spec = served_spec(data_dir, agent)
    with open_store(data_dir) as store:
        at = job_pauses.pause(store, agent, job, spec.jobs.get(job))
        _print(store, agent, spec.jobs, job, f"paused since {at:%Y-%m-%d %H:%M:%S%z}", as_json=as_json)


@jobs.command()
@click.argument("agent")
@click.argument("job")
@json_option
@instance_option
def resume(agent: str, job: str, data_dir: Path, *, as_json: bool) -> None:
    """End a job's pause. What was due in it stays not run."""
    from pumice.sessions import job_pauses

    spec = served_spec(data_dir, agent)
    with open_store(data_dir) as store:
        job_pauses.resume(store, agent, job, spec.jobs.get(job))
        _print(store, agent, spec.jobs, job, "runs when it is due", as_json=as_json)


def _print(
    store: "StoreConnection", agent: str, declared: Mapping[str, Any], job: str, text: str, *, as_json: bool
) -> None:
    from pumice.sessions.job_documents import job_document

    if as_json:
        print_json(job_document(store, agent, declared, job))
    else:
        click.echo(clean(f"{agent}/{job} {text}"))


def _cells(row: dict[str, Any]) -> tuple[Any, ...]:
    """A job as a line of the table."""
    schedule = row["cron"] or (f"every {row['every']} s" if row["every"] else None)
    runs = {True: "once", False: "each session", None: None}[row["static"]]
    missed = sum(row["missed"].values()) or None
    due = ", ".join(_short(one) for one in row["nextDue"]) or None
    last = (
        None if row["lastTick"] is None else f"{_short(row['lastTick']['scheduledFor'])} {_progress(row['lastTick'])}"
    )
    return row["agentId"], row["name"], schedule, row["timezone"], runs, _status(row), last, missed, due


def _status(row: dict[str, Any]) -> str:
    if row["removed"]:
        return "removed"
    if row["error"]:
        return f"wrong: {row['error']}"
    return "paused" if row["paused"] else "on"


def _progress(tick: dict[str, Any]) -> str:
    """A bar for a tick under way; for one that is over, when it was, or why it did not run."""
    if tick["doneAt"] is None:
        return bar_of(tick["done"] + tick["failed"] + tick["skipped"], tick["sessions"])
    if tick["reason"] is not None:
        return f"not run: {tick['reason']}"
    return f"{tick['done']} done, {tick['failed']} failed, {tick['skipped']} skipped"


def _short(at: str) -> str:
    """A time as people read it: `2026-01-31 09:00:00+0100`."""
    from datetime import datetime

    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S%z}"
