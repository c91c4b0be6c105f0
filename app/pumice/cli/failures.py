"""`pumice failures`: the interactions that were given up."""

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from pumice.cli.failing import Failed
from pumice.cli.instance import instance_option, settings_of
from pumice.cli.output import ROWS, clean, json_option, print_json, print_table


@click.group()
def failures() -> None:
    """Interactions that failed or are dead: list, show, retry, discard."""


def _filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which interactions of an agent it is about."""
    for option in (
        click.option("--id", "interaction_id", type=click.UUID, help="Only this interaction."),
        click.option("--session", "session_id", help="Only this session's."),
        click.option("--name", help="Only this hook's, job's or method's."),
        click.option("--kind", type=click.Choice(["chat", "socket", "hook", "job", "call"]), help="Only this kind."),
        click.option("--status", type=click.Choice(["dead", "failed"]), help="Only these; both when not given."),
        click.option("--agent", required=True, help="The agent."),
    ):
        command = option(command)
    return instance_option(json_option(command))


def _acting(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command that changes something its options."""
    for option in (
        click.option("--yes", "-y", is_flag=True, help="Don't ask."),
        click.option("--dry-run", is_flag=True, help="Only say how many it would be."),
    ):
        command = option(command)
    return _filtered(command)


@failures.command(name="list")
@_filtered
@click.option("--limit", default=100, show_default=True, type=ROWS, help="The most rows to print.")
def list_(agent: str, data_dir: Path, *, limit: int, as_json: bool, **fields: Any) -> None:
    """List them, oldest first, each with its last error."""
    from pumice.sessions.given_up import list_given_up

    rows = list_given_up(_engine(data_dir), agent, _wanted(fields), limit=limit)
    if as_json:
        print_json([_document(row) for row in rows])
        return
    titles = ("ID", "STATUS", "SESSION", "WHAT", "LAST ERROR")
    print_table(titles, [(row.id, row.status, row.session_id, _what(row), _last_error(row)) for row in rows])
    if len(rows) == limit:
        click.echo(f"these are the oldest {limit}; --limit prints more", err=True)


@failures.command()
@click.argument("interaction_id", type=click.UUID)
@click.option("--agent", required=True, help="The agent.")
@json_option
@instance_option
def show(agent: str, interaction_id: uuid.UUID, data_dir: Path, *, as_json: bool) -> None:
    """Show one with the tracebacks of all its attempts."""
    from pumice.sessions.given_up import Filter, list_given_up

    wanted = Filter(interaction_id=str(interaction_id))
    rows = list_given_up(_engine(data_dir), agent, wanted, limit=1)
    if not rows:
        raise Failed(f"pumice: agent {agent} has no failed or dead interaction {interaction_id}")
    row = rows[0]
    if as_json:
        print_json(_document(row))
        return
    click.echo(clean(f"{row.id} {_what(row)} of session {row.session_id}: {row.status}, {row.reason}"))
    for error in row.errors or []:
        click.echo(clean(f"attempt {error.get('attempt')}: {error.get('type')}: {error.get('message')}"))
        for line in (error.get("traceback") or "").splitlines():
            click.echo(clean(line))


@failures.command()
@_acting
def retry(**options: Any) -> None:
    """Queue them again, with their attempts counted anew."""
    from pumice.sessions import given_up

    _act(given_up.retry, "retry", "queued {} again", **options)


@failures.command()
@_acting
def discard(**options: Any) -> None:
    """Close them for good."""
    from pumice.sessions import given_up

    _act(given_up.discard, "discard", "discarded {}", **options)


def _act(
    action: Callable[..., Sequence[Any]], verb: str, done: str, *, agent: str, data_dir: Path, **options: Any
) -> None:
    """Do it to those that the options choose, once the operator has agreed to how many they are."""
    from pumice.sessions.given_up import count_given_up

    as_json, yes, dry_run = (options.pop(name) for name in ("as_json", "yes", "dry_run"))
    engine, wanted = _engine(data_dir), _wanted(options)
    if dry_run or not yes:
        count = count_given_up(engine, agent, wanted)
        what = f"{verb} {count} interaction{'' if count == 1 else 's'} of agent {agent}"
        if dry_run:
            print_json({"matching": count}) if as_json else click.echo(f"would {what}")
            return
        if count:
            click.confirm(f"{what}?", abort=True, err=True)
    rows = action(engine, agent, wanted)
    if as_json:
        print_json([{"interactionId": row.id, "sessionId": row.session_id, "kind": row.kind} for row in rows])
    else:
        click.echo(done.format(len(rows)))


def _engine(data_dir: Path) -> Any:
    from pumice.sessions.engine import make_engine

    return make_engine(settings_of(data_dir))


def _wanted(fields: dict[str, Any]) -> Any:
    from pumice.sessions.given_up import Filter

    chosen = fields.pop("interaction_id", None)
    return Filter(**fields, interaction_id=str(chosen) if chosen else None)


def _what(row: Any) -> str:
    return f"{row.kind} {row.name or ''}".strip()


def _last_error(row: Any) -> str:
    error = (row.errors or [{}])[-1]
    return f"{error.get('type')}: {error.get('message')}"


def _document(row: Any) -> dict[str, Any]:
    return {
        "interactionId": row.id,
        "agentId": row.agent_id,
        "sessionId": row.session_id,
        "kind": row.kind,
        "name": row.name,
        "status": row.status,
        "reason": row.reason,
        "attempts": row.attempts,
        "acceptedAt": row.accepted_at,
        "finishedAt": row.finished_at,
        "errors": row.errors or [],
    }
