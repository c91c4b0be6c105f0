"""`pumice sessions`: what agents' sessions hold."""

import json
from pathlib import Path
from typing import Any

import click

from pumice.cli.conditions import given_condition, where_option
from pumice.cli.deletion import delete
from pumice.cli.diff import show_diff
from pumice.cli.export import export, import_
from pumice.cli.failing import Failed
from pumice.cli.history import COMMANDS, at_option, open_store
from pumice.cli.instance import instance_option, settings_of
from pumice.cli.output import ROWS, clean, json_option, print_json, print_table
from pumice.cli.replay import replay
from pumice.cli.schedules import schedules


@click.group()
def sessions() -> None:
    """Sessions: list them, show one, read its messages; name, restore and fork its points."""


for _command in (*COMMANDS, delete, export, import_, show_diff, replay, schedules):
    sessions.add_command(_command)


@sessions.command(name="list")
@click.argument("agent")
@click.option("--after", default="", help="Only ids after this one: the last of the page before.")
@click.option("--limit", default=100, show_default=True, type=ROWS, help="The most rows to print.")
@where_option
@json_option
@instance_option
def list_(agent: str, after: str, limit: int, where: tuple[str, ...], data_dir: Path, *, as_json: bool) -> None:
    """List an agent's sessions in the order of their ids."""
    from pumice.sessions.queries import list_sessions

    condition = given_condition(data_dir, agent, where)
    rows = list_sessions(_engine(data_dir), agent, after=after, limit=limit, where=condition)
    if as_json:
        print_json([_document(agent, row) for row in rows])
        return
    titles = ("SESSION", "MESSAGES", "VERSION", "UPDATED", "EXPIRES")
    print_table(titles, [(r.id, r.message_count, r.version, r.updated_at, r.expires_at) for r in rows])
    if len(rows) == limit:
        click.echo(f"there may be more: --after {clean(rows[-1].id)!r} prints them", err=True)


@sessions.command()
@click.argument("agent")
@click.argument("session")
@at_option
@json_option
@instance_option
def show(agent: str, session: str, at: str | None, data_dir: Path, *, as_json: bool) -> None:
    """Show a session: its state, metadata and times."""
    document = _document(agent, _found(_engine(data_dir), agent, session))
    if at is not None:
        with open_store(data_dir) as store:
            document |= _at(store, agent, session, at)
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        if name not in {"state", "metadata"}:
            click.echo(clean(f"{name}: {'-' if value is None else value}"))
    for name in ("metadata", "state"):
        click.echo(f"{name}:")
        print_json(document[name])


@sessions.command()
@click.argument("agent")
@click.argument("session")
@click.option("--after", default=-1, type=click.IntRange(-1, 2**31 - 1), help="Only messages after this number.")
@click.option("--limit", default=1_000, show_default=True, type=ROWS, help="The most to print.")
@at_option
@json_option
@instance_option
def messages(  # noqa: PLR0913 (click passes each option by name)
    agent: str, session: str, after: int, limit: int, at: str | None, data_dir: Path, *, as_json: bool
) -> None:
    """Print a session's conversation, oldest first."""
    from pumice.sessions.conversation import read_after
    from pumice.sessions.points import resolve
    from pumice.sessions.queries import list_messages

    engine = _engine(data_dir)
    _found(engine, agent, session)
    rows: Any
    if at is None:
        rows = list_messages(engine, agent, session, after=after, limit=limit)
    else:
        with open_store(data_dir) as store:
            point = resolve(store, agent, session, at, read=False)
            rows = read_after(store, agent, point.session_id, point.parts, after=after, limit=limit)
    if as_json:
        print_json([{"seq": r.seq, "role": r.role, "content": r.content, "createdAt": r.created_at} for r in rows])
        return
    print_table(("#", "AT", "ROLE", "CONTENT"), [(r.seq, r.created_at, r.role, _content_text(r.content)) for r in rows])


def _engine(data_dir: Path) -> Any:
    from pumice.sessions.engine import make_engine

    return make_engine(settings_of(data_dir))


def _found(engine: Any, agent: str, session: str) -> Any:
    from pumice.sessions.queries import get_session

    row = get_session(engine, agent, session)
    if row is None:
        raise Failed(clean(f"pumice: agent {agent} has no session {session!r}: see `pumice sessions list {agent}`"))
    return row


def _document(agent: str, row: Any) -> dict[str, Any]:
    from pumice.sessions.conversation import length, parts_of
    from pumice.sessions.queries import current_state

    return {
        "agentId": agent,
        "sessionId": row.id,
        "version": row.version,
        "messageCount": length(parts_of(row.transcript, row.history_start, row.message_count)),
        "temporary": row.temporary,
        "expiresAt": row.expires_at,
        "timezone": row.timezone,
        "leasedUntil": row.lease_until,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
        "metadata": row.metadata,
        "state": current_state(row),
    }


def _at(store: Any, agent: str, session: str, at: str) -> dict[str, Any]:
    from pumice.sessions.points import resolve

    point = resolve(store, agent, session, at)
    return {
        "version": point.point,
        "messageCount": point.messages,
        "state": None if point.state is None else json.loads(point.state),
        "at": point.interaction_id,
    }


def _content_text(content: Any) -> str:
    """A message's text; of a list of parts, what is text in it."""
    if isinstance(content, str):
        return content
    return " ".join(part["text"] if "text" in part else f"({part.get('type')})" for part in content)
