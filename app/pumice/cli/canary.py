"""`pumice canary`: a share of an agent's sessions goes to workers of another release, and back."""

from pathlib import Path
from typing import Any

import click

from pumice.cli.fleet import follow_operation
from pumice.cli.history import open_store
from pumice.cli.instance import instance_option
from pumice.cli.output import clean, json_option, print_json, print_table


@click.group()
def canary() -> None:
    """Have workers of another release, which RELEASE names, run a share of an agent's sessions."""


@canary.command()
@click.argument("agent")
@click.option("--release", required=True, help="What RELEASE is set to for the canary's workers.")
@click.option("--percent", type=float, required=True, help="The share: above 0, up to 100.")
@click.option("--snapshot/--no-snapshot", "names", default=True, help="First name the point at which each stands.")
@instance_option
def start(agent: str, release: str, percent: float, data_dir: Path, *, names: bool) -> None:
    """Send a share of the sessions, told by a hash of their ids, to a release; a larger one includes a smaller."""
    from pumice.agents.operations import read_share
    from pumice.sessions import canaries

    picked = {"release": release, "percent": percent}
    share = read_share(picked)
    if names:
        _do(agent, "snapshot", {"name": canaries.NAME + release, "canary": picked}, data_dir)
    with open_store(data_dir) as store:
        canaries.start(store, agent, share)
        found = canaries.read(store, agent)
    text = f"{percent:g}% of the sessions of {agent} go to {release}; {found.workers} workers of it are there"
    click.echo(clean(text))


@canary.command(name="list")
@json_option
@instance_option
def list_(data_dir: Path, *, as_json: bool) -> None:
    """List all canaries."""
    from pumice.agents.releases import PARTS
    from pumice.sessions import canaries

    with open_store(data_dir) as store:
        rows = canaries.list_(store)
    if as_json:
        print_json([{**row._asdict(), "percent": row.share * 100 / PARTS} for row in rows])
        return
    cells = [(r.agent_id, r.release, f"{r.share * 100 / PARTS:g}", r.workers, r.created_at) for r in rows]
    print_table(("AGENT", "RELEASE", "PERCENT", "WORKERS", "SINCE"), cells)


@canary.command()
@click.argument("agent")
@click.option("--restore", "restores", is_flag=True, help="Have its sessions go on from where they stood before.")
@instance_option
def stop(agent: str, data_dir: Path, *, restores: bool) -> None:
    """Have the stable workers run all sessions again. Sessions that began in the canary stay as they are."""
    from pumice.agents.releases import PARTS
    from pumice.sessions import canaries

    with open_store(data_dir) as store:
        found = canaries.read(store, agent)
        canaries.stop(store, agent)
    click.echo(clean(f"{found.release} gets no sessions of {agent} any more"))
    if restores:
        picked = {"release": found.release, "percent": found.share * 100 / PARTS}
        _do(agent, "restore", {"at": canaries.NAME + found.release, "cancel": True, "canary": picked}, data_dir)


def _do(agent: str, action: str, options: dict[str, Any], data_dir: Path) -> None:
    """Have workers do something to the sessions of the share, and wait for its end."""
    from pumice.agents.operations import read_operation
    from pumice.cli.conditions import served_agent
    from pumice.cli.instance import settings_of
    from pumice.sessions import operations
    from pumice.sessions.engine import make_engine
    from pumice.sessions.queries import count_sessions

    new = read_operation(served_agent(data_dir, agent), {"action": action, "where": {}, **options})
    matched = count_sessions(make_engine(settings_of(data_dir)), agent, new.condition)
    with open_store(data_dir) as store:
        operation = operations.start(store, agent, new, matched)
    follow_operation(agent, operation, data_dir)
