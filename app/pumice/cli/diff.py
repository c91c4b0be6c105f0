"""`pumice sessions diff`: what changed between two points of a session, coloured in a terminal."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from pumice.cli.history import open_store
from pumice.cli.instance import instance_option
from pumice.cli.output import clean, json_option

SHOWN = 200
"""Characters of a value that are shown."""
MESSAGES = 1_000
COLOURS = {"+": "green", "-": "red", "~": "yellow"}


@click.command(name="diff")
@click.argument("agent")
@click.argument("session")
@click.option("--from", "before", required=True, help="The earlier point: an interaction's id or a snapshot's name.")
@click.option("--to", "after", help="The later point. Without it: now.")
@json_option
@instance_option
def show_diff(agent: str, session: str, before: str, after: str | None, data_dir: Path, *, as_json: bool) -> None:
    """Show what changed in a session between two points: its state and its messages."""
    from pumice.agents.json_patch import diff
    from pumice.sessions.conversation import read_after
    from pumice.sessions.differences import added_parts
    from pumice.sessions.points import resolve

    with open_store(data_dir) as store:
        old, new = resolve(store, agent, session, before), resolve(store, agent, session, after)
        rows = read_after(store, agent, new.session_id, added_parts(old, new), limit=MESSAGES)
    states = [{} if point.state is None else json.loads(point.state) for point in (old, new)]
    operations = diff(*states)
    messages = [{"seq": row.seq, "role": row.role, "content": row.content} for row in rows]
    if as_json:
        document = {"from": before, "to": after, "state": operations, "messages": messages}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for line in (*rendered(states[0], operations), *_said(messages)):
        click.secho(line, fg=COLOURS.get(line[0]))
    if not operations and not messages:
        click.echo("nothing changed")


def rendered(document: Any, operations: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Each operation as a line: what was added (+), removed (-), or changed (~) from what to what."""
    from pumice.agents.json_patch import apply_patch, pointer

    for one in operations:
        kind, path = one["op"], one["path"] or "/"
        if kind == "add":
            yield clean(f"+ {path}: {_value(one['value'])}")
        elif kind == "remove":
            yield clean(f"- {path}: {_value(_at(document, pointer(one['path'])))}")
        elif kind == "replace":
            before = _at(document, pointer(one["path"]))
            yield clean(f"~ {path}: {_value(before)} -> {_value(one['value'])}")
        else:
            yield clean(f"~ {path}: moved to the end")
        document = apply_patch(document, [one])


def _said(messages: Sequence[dict[str, Any]]) -> Iterator[str]:
    for one in messages:
        content = one["content"]
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        yield clean(f"+ message {one['seq']} {one['role']}: {_short(text)}")


def _at(document: Any, path: Sequence[str]) -> Any:
    for part in path:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _value(value: Any) -> str:
    return _short(json.dumps(value, ensure_ascii=False))


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters)"
