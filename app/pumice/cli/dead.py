"""`pumice dead`: the interactions that were given up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from pumice.errors import StoreAwayError
from pumice.settings import Settings


@click.group()
def dead() -> None:
    """Interactions that failed or are dead: list, show, retry, discard."""


def _filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which interactions of an agent it is about."""
    for option in (
        click.option("--id", "interaction_id", help="Only this interaction."),
        click.option("--session", "session_id", help="Only this session's."),
        click.option("--name", help="Only this hook's, job's or method's."),
        click.option("--kind", type=click.Choice(["chat", "socket", "hook", "job", "call"]), help="Only this kind."),
        click.option("--status", type=click.Choice(["dead", "failed"]), help="Only these; both when not given."),
        click.option("--agent", required=True, help="The agent."),
    ):
        command = option(command)
    return command


@dead.command(name="list")
@_filtered
@click.option("--limit", default=100, show_default=True, help="The most rows to print.")
def list_(agent: str, limit: int, **fields: Any) -> None:
    """List them, oldest first, each with its last error."""
    from pumice.sessions.given_up import Filter, list_given_up

    with _engine() as engine:
        rows = list_given_up(engine, agent, Filter(**fields), limit=limit)
    for row in rows:
        error = (row.errors or [{}])[-1]
        what = f"{row.kind} {row.name or ''}".strip()
        click.echo(f"{row.id}  {row.status:6}  {row.session_id}  {what}  {error.get('type')}: {error.get('message')}")


@dead.command()
@click.argument("interaction_id")
@click.option("--agent", required=True, help="The agent.")
def show(agent: str, interaction_id: str) -> None:
    """Show one with the tracebacks of all its attempts."""
    from pumice.sessions.given_up import Filter, list_given_up

    with _engine() as engine:
        rows = list_given_up(engine, agent, Filter(interaction_id=interaction_id), limit=1)
    if not rows:
        raise click.ClickException("there is no such interaction among the dead and the failed")
    row = rows[0]
    click.echo(f"{row.id} {row.kind} {row.name or ''} of session {row.session_id}: {row.status}, {row.reason}")
    for error in row.errors or []:
        click.echo(f"attempt {error.get('attempt')}: {error.get('type')}: {error.get('message')}")
        click.echo(error.get("traceback") or "")


@dead.command()
@_filtered
def retry(agent: str, **fields: Any) -> None:
    """Queue them again."""
    from pumice.sessions.given_up import Filter
    from pumice.sessions.given_up import retry as retry_

    with _engine() as engine:
        click.echo(f"queued {len(retry_(engine, agent, Filter(**fields)))} again")


@dead.command()
@_filtered
def discard(agent: str, **fields: Any) -> None:
    """Close them for good."""
    from pumice.sessions.given_up import Filter
    from pumice.sessions.given_up import discard as discard_

    with _engine() as engine:
        click.echo(f"discarded {len(discard_(engine, agent, Filter(**fields)))}")


@contextmanager
def _engine() -> Iterator[Any]:
    """The database; what goes wrong with it is told in a line."""
    from sqlalchemy.exc import DBAPIError

    from pumice.sessions.engine import make_engine

    try:
        yield make_engine(Settings.from_env())
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    except DBAPIError as error:
        raise StoreAwayError(f"Postgres can't be asked: {error.orig}") from None
