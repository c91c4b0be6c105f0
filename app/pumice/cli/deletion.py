"""`pumice sessions delete`: a session goes, or every trace of it."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pumice.cli.failing import Failed
from pumice.cli.history import open_store
from pumice.cli.instance import instance_option
from pumice.cli.output import clean, json_option, print_json

if TYPE_CHECKING:
    from pumice.sessions.connections import StoreConnection


@click.command()
@click.argument("agent")
@click.argument("session")
@click.option("--erase", "erases", is_flag=True, help="Leave no trace of it; refused while it has forks.")
@click.option("--forks", is_flag=True, help="With --erase: its forks too.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@json_option
@instance_option
def delete(  # noqa: PLR0913 (click passes each option by name)
    agent: str, session: str, data_dir: Path, *, erases: bool, forks: bool, yes: bool, as_json: bool
) -> None:
    """Delete a session; its forks stay whole. With --erase, leave no trace of it, and say what went."""
    from pumice.sessions.erasure import erase

    if forks and not erases:
        raise Failed("pumice: --forks goes with --erase: a deletion leaves forks whole.")
    if not yes:
        click.confirm(f"{'erase' if erases else 'delete'} {clean(session)} of {clean(agent)}?", abort=True, err=True)
    with open_store(data_dir) as store:
        if not erases:
            _delete(store, agent, session)
            return
        gone = erase(store, agent, session, forks=forks)
    if as_json:
        print_json(gone)
        return
    counts = ", ".join(f"{gone[name]} {name}" for name in ("messages", "interactions", "points", "snapshots"))
    click.echo(f"erased {len(gone['sessions'])} sessions, {counts}; they were in {gone['replays']} replays")
    for one in gone["sessions"]:
        click.echo(clean(f"  {one}"))


def _delete(store: "StoreConnection", agent: str, session: str) -> None:
    from pumice.sessions.deletion import delete_session

    if not [*delete_session(store, agent, session)]:
        click.echo(clean(f"pumice: agent {agent} has no session {session!r}"), err=True)
        sys.exit(1)
    click.echo(clean(f"deleted {session}"))
