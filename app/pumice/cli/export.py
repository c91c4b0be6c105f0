"""`pumice sessions export` and `import`: a session as a file, and as a test."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from pumice.cli.failing import Failed
from pumice.cli.history import at_option, open_store
from pumice.cli.instance import instance_option, settings_of
from pumice.cli.output import clean, json_option, print_json

if TYPE_CHECKING:
    from pumice.agents.spec import AgentSpec

TEST = '''\
"""Replays the turns of the session {session}, each on its own, on the code as it is now."""

import pytest
from {module} import {name}
from pumice.testing import recording

RECORDED = recording({file}, {qualname}, beside=__file__)


@pytest.mark.parametrize("turn", RECORDED.turns, ids=str)
def test_it_does_what_it_did(turn):
    assert turn.replay() == turn.recorded


def test_it_goes_on(pumice_session):
    session = pumice_session({file}, {qualname})
    assert session.session_id == {session_id}
'''


@click.command()
@click.argument("agent")
@click.argument("session")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="The file; stdout without it.")
@click.option(
    "--test",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write this pytest file too, and the session beside it.",
)
@click.option("--redact/--no-redact", default=True, help="Whether the agent's redact() takes personal data out.")
@at_option
@instance_option
def export(  # noqa: PLR0913 (click passes each option by name)
    agent: str, session: str, output: Path | None, test: Path | None, at: str | None, data_dir: Path, *, redact: bool
) -> None:
    """Write a session to a file, with its messages, interactions and snapshots, up to a point."""
    from pumice.agents.redaction import redaction_of
    from pumice.sessions.exporting import Export

    spec = _spec(agent, data_dir) if redact or test else None
    if test is not None:
        output = output or test.with_suffix(".jsonl")
        _check_free(test)
    with open_store(data_dir) as store:
        made = redaction_of(spec.cls) if redact and spec is not None else None
        found = Export(lambda: nullcontext(store), agent, session, at, made)
        with _opened(output) as stream:
            for line in found.lines():
                stream.write(line)
    if output is not None:
        click.echo(clean(f"wrote {output}"), err=True)
    if test is not None and output is not None and spec is not None:
        test.write_text(_test(spec, session, output, test), encoding="utf-8")
        click.echo(clean(f"wrote {test}"), err=True)


@click.command(name="import")
@click.argument("agent")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--session", help="The new session's id; the file's without it.")
@json_option
@instance_option
def import_(agent: str, file: Path, session: str | None, data_dir: Path, *, as_json: bool) -> None:
    """Make a session of an exported file: everything in it, or nothing."""
    from pumice.agents.names import checked_session_id
    from pumice.agents.registry import load_agents
    from pumice.sessions.importing import import_file

    spec = load_agents(settings_of(data_dir).agents).get(agent)
    wanted = None if session is None else checked_session_id(session)
    with open_store(data_dir) as store, file.open("rb") as stream:
        made = import_file(store, agent, wanted, stream, cls=None if spec is None else spec.cls)
    if as_json:
        counts = {"snapshots": made.snapshots, "messages": made.messages, "interactions": made.interactions}
        print_json({"agentId": agent, "sessionId": made.session_id, **counts})
        return
    told = f"{made.messages} messages, {made.interactions} interactions, {made.snapshots} snapshots"
    click.echo(clean(f"{made.session_id}: {told}"))


def _spec(agent: str, data_dir: Path) -> "AgentSpec":
    from pumice.agents.registry import load_agents

    found = load_agents(settings_of(data_dir).agents).get(agent)
    if found is None:
        raise Failed(
            clean(
                f"pumice: AGENTS has no agent {agent!r}, whose redact() may hide something: --no-redact leaves it out"
            )
        )
    return found


def _check_free(path: Path) -> None:
    if path.exists():
        raise Failed(clean(f"pumice: {path} is there already: name another file with --test"))


@contextmanager
def _opened(path: Path | None) -> Iterator[BinaryIO]:
    """A file to write to, which is there when it is complete; stdout without a path."""
    if path is None:
        yield sys.stdout.buffer
        return
    partial = path.with_name(f"{path.name}.part")
    try:
        with partial.open("wb") as stream:
            yield stream
        partial.replace(path)
    except OSError as error:
        raise Failed(clean(f"pumice: {path} can't be written: {error.strerror}")) from None
    finally:
        partial.unlink(missing_ok=True)


def _test(spec: "AgentSpec", session: str, output: Path, test: Path) -> str:
    import os

    beside = os.path.relpath(output.resolve(), test.resolve().parent)
    qualname = spec.cls.__qualname__
    return TEST.format(
        session=clean(session).replace("\\", "/").replace('"', "'"),
        module=spec.cls.__module__,
        name=qualname.partition(".")[0],
        qualname=qualname,
        file=_quoted(beside),
        session_id=_quoted(session),
    )


def _quoted(text: str) -> str:
    """The text as Python's literal, in double quotes."""
    import json

    return json.dumps(text)
