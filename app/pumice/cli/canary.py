"""`pumice canary`: a share of an agent's sessions goes to workers of another release, and back."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pumice.cli.failing import Failed
from pumice.cli.fleet import follow_operation
from pumice.cli.history import open_store
from pumice.cli.instance import instance_option
from pumice.cli.output import clean, json_option, print_json, print_table

if TYPE_CHECKING:
    from pumice.agents.releases import Share
    from pumice.sessions.canaries import Canary
    from pumice.sessions.connections import StoreConnection

LOOK_WAIT = 30.0
"""Seconds to wait for the canary's workers to see that it was stopped; they look once a second."""
INTERVAL = 0.1


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
    from pumice.cli.conditions import served_agent
    from pumice.sessions import canaries

    share = read_share({"release": release, "percent": percent})
    served_agent(data_dir, agent)
    with open_store(data_dir) as store:
        before = canaries.find(store, agent)
    _check_start(agent, share, before, names=names)
    snapshot = _name_points(agent, share, before, data_dir) if names else None
    with open_store(data_dir) as store:
        canaries.start(store, agent, share, snapshot=snapshot)
        found = canaries.read(store, agent)
    text = f"{percent:g}% of the sessions of {agent} go to {release}; {found.workers} workers of it are there"
    click.echo(clean(text))


@canary.command(name="list")
@json_option
@instance_option
def list_(data_dir: Path, *, as_json: bool) -> None:
    """List all canaries. One of 0% was stopped, and not all of its sessions are restored."""
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
    from pumice.errors import UnknownCanary
    from pumice.sessions import canaries

    with open_store(data_dir) as store:
        found = canaries.find(store, agent)
        if found is None:
            raise UnknownCanary
        if restores:
            if found.snapshot is None:
                raise Failed("pumice: it began without snapshots, so there is no way back: leave --restore out.")
            _give_back(store, found)
        else:
            canaries.stop(store, agent)
    click.echo(clean(f"{found.release} gets no sessions of {agent} any more"))
    if restores and found.snapshot is not None:
        _restore(agent, found, found.snapshot, data_dir)


def _check_start(agent: str, share: "Share", before: "Canary | None", *, names: bool) -> None:
    """Refuse to start a canary that would lose the way back of another one. Raises `Failed`."""
    if before is None:
        return
    stop_it = clean(f"`pumice canary stop {agent}` ends it")
    if before.release != share.release:
        raise Failed(clean(f"pumice: its sessions go to {before.release} already: {stop_it}."))
    if not before.share:
        raise Failed(f"pumice: it was stopped, and not all of its sessions are restored: {stop_it}.")
    if names and before.snapshot is None:
        raise Failed(f"pumice: it began without snapshots: give --no-snapshot, or begin anew; {stop_it}.")


def _name_points(agent: str, share: "Share", before: "Canary | None", data_dir: Path) -> str:
    """Name the points of the sessions that are not in the canary yet. Returns the name. Raises `Failed`."""
    from datetime import UTC, datetime

    from pumice.agents.releases import PARTS
    from pumice.sessions import canaries

    picked: dict[str, Any] = {"release": share.release, "percent": share.parts * 100 / PARTS}
    name = before.snapshot if before is not None else None
    if before is not None and name is not None:
        if share.parts <= before.most:
            return name
        picked["above"] = before.most * 100 / PARTS
    name = name or canaries.snapshot_name(share.release, datetime.now(UTC))
    if not _do(agent, "snapshot", {"name": name, "canary": picked}, data_dir):
        raise Failed("pumice: not all points could be named, so there would be no way back: nothing was started.")
    return name


def _give_back(store: "StoreConnection", found: "Canary") -> None:
    """Have the stable workers run all sessions, and wait until the canary's workers know. Raises `Failed`."""
    from pumice.sessions import canaries

    since, end = canaries.give_back(store, found.agent_id), time.monotonic() + LOOK_WAIT
    while not canaries.is_known(store, found, since):
        if time.monotonic() > end:
            raise Failed("pumice: it was stopped; but its workers do not look, so nothing was restored: try again.")
        time.sleep(INTERVAL)


def _restore(agent: str, found: "Canary", snapshot: str, data_dir: Path) -> None:
    """Restore the sessions that were ever in the canary, and forget it. Raises `Failed`."""
    from pumice.agents.releases import PARTS
    from pumice.sessions import canaries

    picked = {"release": found.release, "percent": found.most * 100 / PARTS}
    if not _do(agent, "restore", {"at": snapshot, "cancel": True, "canary": picked}, data_dir):
        one = f"`pumice fleet restore {agent} --at {snapshot} --cancel --where id=…` restores one"
        raise Failed(clean(f"pumice: not all were restored. {one}; `pumice canary stop {agent}` forgets the rest."))
    with open_store(data_dir) as store:
        canaries.stop(store, agent)


def _do(agent: str, action: str, options: dict[str, Any], data_dir: Path) -> bool:
    """Have workers do something to the sessions of the share, and wait. Returns whether it was done to all."""
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
    found = follow_operation(agent, operation, data_dir)
    return found["status"] == "done" and not found["failed"]
