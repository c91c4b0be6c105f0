"""`pumice fleet`: something done to all sessions for which a condition holds, by the workers."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from pumice.cli.conditions import given_fields, served_agent, where_option
from pumice.cli.failing import Failed
from pumice.cli.history import open_store
from pumice.cli.instance import instance_option, settings_of
from pumice.cli.output import ROWS, clean, json_option, print_json, print_table
from pumice.cli.progress import Reached, show_progress

SHOWN = 20
FAILED = 1

T = TypeVar("T", bound=Callable[..., Any])


@click.group()
def fleet() -> None:
    """Snapshot, fork, restore, migrate or delete all sessions for which a condition holds."""


def picking(command: T) -> T:
    """Give a command what picks sessions, and what comes before it is done."""
    for option in (
        instance_option,
        json_option,
        click.option("--yes", is_flag=True, help="Do it without asking."),
        click.option("--dry-run", is_flag=True, help="Only count the sessions, and show the first ones."),
        click.option("--all", "everything", is_flag=True, help="All sessions, instead of a condition."),
        where_option,
        click.argument("agent"),
    ):
        command = option(command)
    return command


@fleet.command()
@picking
@click.option("--name", required=True, help="The snapshots' name.")
@click.option("--note", help="What they are for.")
def snapshot(name: str, note: str | None, **picked: Any) -> None:
    """Name the point at which each session stands."""
    _run("snapshot", {"name": name, "note": note}, **picked)


@fleet.command()
@picking
@click.option("--prefix", default="fork-", show_default=True, help="Begins the new sessions' ids.")
@click.option("--at", help="A snapshot's name. Without it: now.")
@click.option("--quiet", is_flag=True, help="Record jobs, calls, schedules and sends instead of doing them.")
def fork(prefix: str, at: str | None, *, quiet: bool, **picked: Any) -> None:
    """Start a new session where each stands, or at a snapshot."""
    _run("fork", {"prefix": prefix, "at": at, "quiet": quiet}, **picked)


@fleet.command()
@picking
@click.option("--at", required=True, help="A snapshot's name, or an interaction's id.")
@click.option("--queued", type=click.Choice(["keep", "drop"]), default="keep", help="What becomes of work that waits.")
@click.option("--cancel", is_flag=True, help="Cancel turns that run; else their sessions are not restored.")
def restore(at: str, queued: str, *, cancel: bool, **picked: Any) -> None:
    """Have each session go on from a snapshot."""
    _run("restore", {"at": at, "queued": queued, "cancel": cancel}, **picked)


@fleet.command()
@picking
def migrate(**picked: Any) -> None:
    """Bring each state to the version of the workers' code, before its next turn would."""
    _run("migrate", {}, **picked)


@fleet.command()
@picking
def delete(**picked: Any) -> None:
    """Delete each session. Forks of it stay whole."""
    _run("delete", {}, **picked)


@fleet.command(name="list")
@click.argument("agent")
@click.option("--limit", default=20, show_default=True, type=ROWS, help="The newest so many.")
@json_option
@instance_option
def list_(agent: str, limit: int, data_dir: Path, *, as_json: bool) -> None:
    """List an agent's operations, newest first."""
    from pumice.sessions import operations

    with open_store(data_dir) as store:
        rows = operations.list_(store, agent, before=None, limit=limit)
    if as_json:
        print_json(rows)
        return
    fields = ("operationId", "action", "status", "matched", "done", "skipped", "failed", "createdAt")
    print_table(tuple(field.upper() for field in fields), [tuple(row[field] for field in fields) for row in rows])


@fleet.command()
@click.argument("agent")
@click.argument("operation")
@json_option
@instance_option
def follow(agent: str, operation: str, data_dir: Path, *, as_json: bool) -> None:
    """Wait for the end of an operation, and show what came out."""
    _end(follow_operation(agent, operation, data_dir, as_json=as_json))


@fleet.command()
@click.argument("agent")
@click.argument("operation")
@json_option
@instance_option
def stop(agent: str, operation: str, data_dir: Path, *, as_json: bool) -> None:
    """End an operation. What it did is not undone."""
    from pumice.sessions import operations

    with open_store(data_dir) as store:
        _print(operations.stop(store, agent, operation), as_json=as_json)


def _run(  # noqa: PLR0913 (what `picking` gives)
    action: str,
    options: dict[str, Any],
    *,
    agent: str,
    where: tuple[str, ...],
    data_dir: Path,
    everything: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Count, ask, have it done, and show how far it is."""
    from pumice.agents.operations import read_operation
    from pumice.sessions import operations
    from pumice.sessions.engine import make_engine
    from pumice.sessions.queries import count_sessions, list_sessions
    from pumice.sessions.staleness import refresh_stale

    if everything == bool(where):
        raise Failed("pumice: say --where, or --all for all sessions.")
    new = read_operation(served_agent(data_dir, agent), {"action": action, "where": given_fields(where), **options})
    engine = make_engine(settings_of(data_dir))
    if new.condition.looks_at_state:
        with open_store(data_dir) as store:
            refresh_stale(store, agent)
    matched = count_sessions(engine, agent, new.condition)
    if dry_run:
        rows = list_sessions(engine, agent, after="", limit=SHOWN, where=new.condition)
        _print_dry_run(action, matched, [row.id for row in rows], as_json=as_json)
        return
    if not yes:
        click.confirm(f"{action} {matched} sessions of {clean(agent)}?", abort=True, err=True)
    with open_store(data_dir) as store:
        operation = operations.start(store, agent, new, matched)
    _end(follow_operation(agent, operation, data_dir, as_json=as_json))


def follow_operation(agent: str, operation: str, data_dir: Path, *, as_json: bool = False) -> dict[str, Any]:
    """Show a bar until an operation has ended, then what came out. Returns the operation."""
    from pumice.sessions.operations import read

    with open_store(data_dir) as store:
        found = show_progress(lambda: read(store, agent, operation), _reached)
    _print(found, as_json=as_json)
    return found


def _reached(operation: dict[str, Any]) -> Reached:
    seen = operation["done"] + operation["skipped"] + operation["failed"]
    return Reached(operation["action"], seen, operation["matched"], operation["status"] != "running")


def _end(found: dict[str, Any]) -> None:
    """End with status 1 when it could not be done to all."""
    if found["failed"] or found["status"] == "failed":
        sys.exit(FAILED)


def _print_dry_run(action: str, matched: int, sessions: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"action": action, "matched": matched, "sessions": sessions})
        return
    click.echo(f"{action} would be done to {matched} sessions")
    for one in sessions:
        click.echo(clean(f"  {one}"))
    if matched > len(sessions):
        click.echo("  …")


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    counts = ", ".join(f"{found[name]} {name}" for name in ("done", "skipped", "failed"))
    click.echo(f"{found['operationId']} {found['action']}: {found['status']}; {counts} of {found['matched']}")
    for problem in found["problems"]:
        click.secho(f"  {clean(str(problem['sessionId'] or '-'))}: {clean(problem['detail'])}", fg="red")
