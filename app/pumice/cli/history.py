"""`pumice sessions snapshot`, `snapshots`, `restore`, `fork`, `points`, `storage`: what a session's points are for."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from pumice.cli.instance import instance_option, settings_of
from pumice.cli.output import ROWS, clean, json_option, print_json, print_table

if TYPE_CHECKING:
    from pumice.sessions.connections import StoreConnection

T = TypeVar("T", bound=Callable[..., Any])


def at_option(command: T) -> T:
    """Give a command `--at`."""
    text = "The point: an interaction's id or a snapshot's name. Without it: now."
    return click.option("--at", help=text)(command)


@click.command()
@click.argument("agent")
@click.argument("session")
@click.argument("name")
@click.option("--note", help="What the snapshot is for.")
@at_option
@json_option
@instance_option
def snapshot(  # noqa: PLR0913 (click passes each option by name)
    agent: str, session: str, name: str, note: str | None, at: str | None, data_dir: Path, *, as_json: bool
) -> None:
    """Name a point of a session, which is then kept."""
    from pumice.agents.names import checked_snapshot_name
    from pumice.sessions import snapshots

    new = snapshots.NewSnapshot(checked_snapshot_name(name), note)
    with open_store(data_dir) as store:
        made = snapshots.take(store, agent, session, new, at=at)
    if as_json:
        print_json(_snapshot(made))
        return
    click.echo(clean(f"{name}: {made.messages} messages, after interaction {made.interaction_id or '-'}"))


@click.command(name="snapshots")
@click.argument("agent")
@click.argument("session")
@click.option("--delete", "forgotten", multiple=True, metavar="NAME", help="Forget this snapshot.")
@json_option
@instance_option
def list_snapshots(agent: str, session: str, forgotten: tuple[str, ...], data_dir: Path, *, as_json: bool) -> None:
    """List a session's snapshots, or forget some."""
    from pumice.sessions import snapshots
    from pumice.sessions.points import resolve

    with open_store(data_dir) as store:
        resolve(store, agent, session, None)
        for name in forgotten:
            snapshots.delete(store, agent, session, name)
        rows = [*_all_snapshots(store, agent, session)]
    if as_json:
        print_json([_snapshot(row) for row in rows])
        return
    titles = ("NAME", "AT", "MESSAGES", "CODE", "MADE", "NOTE")
    cells = [(r.name, r.interaction_id, r.messages, r.code_version, r.created_at, r.note) for r in rows]
    print_table(titles, cells)


@click.command()
@click.argument("agent")
@click.argument("session")
@click.option("--at", required=True, help="The point: an interaction's id or a snapshot's name.")
@click.option("--queued", type=click.Choice(["keep", "drop"]), default="keep", help="What becomes of work that waits.")
@click.option("--cancel", is_flag=True, help="Cancel the turn that runs, if one does.")
@json_option
@instance_option
def restore(  # noqa: PLR0913
    agent: str, session: str, at: str, queued: Any, data_dir: Path, *, cancel: bool, as_json: bool
) -> None:
    """Have a session go on from an earlier point. What came after it stays readable."""
    from pumice.sessions import cancel as cancelling
    from pumice.sessions.points import resolve
    from pumice.sessions.restoring import RestoreOptions
    from pumice.sessions.restoring import restore as set_back

    with open_store(data_dir) as store:
        resolve(store, agent, session, at, read=False)
        stopped = cancelling.cancel(store, agent, session, queued=False) if cancel else None
        done = set_back(store, agent, session, at, RestoreOptions(queued, cancel))
    closed = [*(stopped.interactions if stopped else ()), *done.cancelled]
    ids = [one.id for one, _ in closed]
    if as_json:
        print_json({"interactionId": done.interaction_id, "sessionId": session, "at": at, "cancelled": ids})
        return
    click.echo(clean(f"{session} stands where it stood at {at}: {done.point.messages} messages"))
    for one in ids:
        click.echo(f"cancelled {one}")


@click.command()
@click.argument("agent")
@click.argument("session")
@click.option("--as", "new_id", help="The new session's id. Without it: a new one.")
@at_option
@click.option("--quiet", is_flag=True, help="Record jobs, calls, schedules and sends instead of doing them.")
@json_option
@instance_option
def fork(  # noqa: PLR0913
    agent: str, session: str, new_id: str | None, at: str | None, data_dir: Path, *, quiet: bool, as_json: bool
) -> None:
    """Start a new session at a point of another one."""
    from pumice.agents.names import checked_session_id
    from pumice.sessions.accept import temporary_session_id
    from pumice.sessions.forks import NewFork
    from pumice.sessions.forks import fork as start

    made = checked_session_id(new_id) if new_id else temporary_session_id().replace("tmp-", "ses-")
    with open_store(data_dir) as store:
        point = start(store, agent, session, NewFork(made, quiet), at=at)
    if as_json:
        print_json({"sessionId": made, "parent": {"sessionId": session, "at": point.interaction_id}})
        return
    click.echo(clean(made))


@click.command()
@click.argument("agent")
@click.argument("session")
@click.option("--limit", default=100, show_default=True, type=ROWS, help="The newest so many.")
@json_option
@instance_option
def points(agent: str, session: str, limit: int, data_dir: Path, *, as_json: bool) -> None:
    """List the points of a session that are kept, oldest first."""
    from pumice.sessions.points import resolve
    from pumice.sessions.storage import list_points

    with open_store(data_dir) as store:
        resolve(store, agent, session, None, read=False)
        rows = list_points(store, agent, session, limit=limit)
    if as_json:
        print_json([row._asdict() for row in rows])
        return
    titles = ("INTERACTION", "KIND", "NAME", "STATUS", "MESSAGES", "BYTES", "CODE", "AT")
    print_table(titles, [(r.id, r.kind, r.name, r.status, r.messages, r.bytes, r.code_version, r.at) for r in rows])


@click.command()
@click.argument("agent", required=False)
@click.option("--limit", default=20, show_default=True, type=ROWS, help="The largest so many sessions.")
@json_option
@instance_option
def storage(agent: str | None, limit: int, data_dir: Path, *, as_json: bool) -> None:
    """Show the bytes that states, points and messages take: by agent or, of one agent, by session."""
    from pumice.sessions.storage import by_agent, by_session

    with open_store(data_dir) as store:
        rows = by_agent(store) if agent is None else by_session(store, agent, limit=limit)
    if as_json:
        print_json([row._asdict() for row in rows])
        return
    titles = ("AGENT" if agent is None else "SESSION", "STATES", "KEYFRAMES", "POINTS", "POINT BYTES", "MESSAGE BYTES")
    print_table(titles, [(r.name, r.states, r.keyframes, r.points, r.point_bytes, r.message_bytes) for r in rows])


COMMANDS = (snapshot, list_snapshots, restore, fork, points, storage)


@contextmanager
def open_store(data_dir: Path) -> Iterator["StoreConnection"]:
    """A connection to the instance's store."""
    from pumice.sessions.connections import StoreConnection

    store = StoreConnection(settings_of(data_dir))
    try:
        yield store
    finally:
        store.close()


def _all_snapshots(store: "StoreConnection", agent: str, session: str) -> Iterator[Any]:
    from pumice.sessions import snapshots

    after = ""
    while rows := snapshots.list_(store, agent, session, after=after, limit=1_000):
        yield from rows
        after = rows[-1].name


def _snapshot(row: Any) -> dict[str, Any]:
    return {
        "name": row.name,
        "note": row.note,
        "at": row.interaction_id,
        "messageCount": row.messages,
        "codeVersion": row.code_version,
        "createdAt": row.created_at,
    }
