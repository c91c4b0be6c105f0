"""pumice sessions export, import and diff; and the test that export writes."""

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner

from pumice.cli import pumice
from tests.support.client import new_session
from tests.support.commands import Commands


@pytest.fixture
def commands(stack, tmp_path):
    """Commands in an author's folder, on the stack's servers."""
    return Commands(tmp_path, **stack.environ)


@pytest.fixture
def session(stack) -> str:
    name = new_session()
    for text in ("set a 1", "set b 2", "fail", "set a 3", "later"):
        stack.agent("notebook").chat(text, name)
    return name


def run(commands: Commands, *arguments: str) -> str:
    done = commands.call("sessions", *arguments)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(commands: Commands, *arguments: str) -> str:
    done = commands.call("sessions", *arguments)
    assert done.exit_code == 1, done.output
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


def pytest_run(commands: Commands, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """pytest in the author's folder, without the stack's servers."""
    environ = {key: value for key, value in commands.environ.items() if not key.endswith("_URL")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(
        command, cwd=commands.folder, env=environ, capture_output=True, text=True, check=False, timeout=100
    )


def test_a_session_goes_out_and_in_again(stack, commands, session):
    run(commands, "export", "notebook", session, "-o", "out.jsonl")
    assert [path.name for path in commands.folder.iterdir()] == ["out.jsonl"]
    assert (
        run(commands, "export", "notebook", session).splitlines()[1:-1]
        == ((commands.folder / "out.jsonl").read_text().splitlines()[1:-1])
    )
    copy = new_session()
    made = json.loads(run(commands, "import", "notebook", "out.jsonl", "--session", copy, "--json"))
    assert made == {"agentId": "notebook", "sessionId": copy, "snapshots": 0, "messages": 8, "interactions": 6}
    assert stack.agent("notebook").state(copy) == stack.agent("notebook").state(session)
    assert f"There is a session {copy!r} already" in refused(
        commands, "import", "notebook", "out.jsonl", "--session", copy
    )
    (commands.folder / "out.jsonl").write_bytes((commands.folder / "out.jsonl").read_bytes()[:-40])
    assert "the file was cut off" in refused(commands, "import", "notebook", "out.jsonl", "--session", new_session())


def test_redact_is_applied_unless_it_is_not_wanted(stack, commands):
    session = new_session()
    stack.agent("clinic").chat("Ada", session)
    assert "Ada" not in run(commands, "export", "clinic", session)
    assert "Ada" in run(commands, "export", "clinic", session, "--no-redact")
    stack.agent("clinic").chat("break", session)
    assert "line 5: what redact() returned does not fit" in refused(
        commands, "export", "clinic", session, "-o", "out.jsonl"
    )
    assert [*commands.folder.iterdir()] == []


def test_what_there_is_not_is_said_in_a_line(commands, session):
    assert "no such session" in refused(commands, "export", "notebook", "nobody")
    assert "no snapshot 'x'" in refused(commands, "export", "notebook", session, "--at", "x")
    assert "AGENTS has no agent 'shop'" in refused(commands, "export", "shop", session)
    assert "can't be written" in refused(commands, "export", "notebook", session, "-o", "none/x.jsonl")


def test_the_test_that_it_writes_passes_on_the_same_code_and_shows_what_other_code_does(commands, session):
    run(commands, "export", "notebook", session, "--test", "test_it.py")
    assert sorted(path.name for path in commands.folder.iterdir()) == ["test_it.jsonl", "test_it.py"]
    assert "test_it.py is there already" in refused(commands, "export", "notebook", session, "--test", "test_it.py")
    done = pytest_run(commands, "test_it.py")
    assert "6 passed" in done.stdout, done.stdout
    changed = (commands.folder / "test_it.py").read_text().replace(
        "\n\nRECORDED",
        "\n\n\nclass Notebook(Notebook):\n    def reply(self, messages):\n"
        "        return super().reply(messages).replace('2 notes', 'two notes')\n\n\nRECORDED",
    )  # fmt: skip
    (commands.folder / "test_it.py").write_text(changed)
    done = pytest_run(commands, "test_it.py")
    assert "3 failed, 3 passed" in done.stdout, done.stdout
    assert "two notes" in done.stdout


def test_a_diff_is_told_in_lines_and_coloured_in_a_terminal_only(stack, commands, session):
    first = stack.agent("notebook").interactions(session)[0]["interactionId"]
    told = run(commands, "diff", "notebook", session, "--from", first)
    assert told.splitlines()[:2] == ['+ /notes/b: "2"', '~ /notes/a: "1" -> "3"']
    assert "+ message 2 user: set b 2" in told
    assert "\x1b[" not in told
    arguments = ["sessions", "diff", "notebook", session, "--from", first]
    coloured = CliRunner().invoke(pumice, arguments, env=stack.environ, color=True).stdout
    green, yellow = coloured.splitlines()[:2]
    assert (green[:5], yellow[:5]) == ("\x1b[32m", "\x1b[33m")
    document = json.loads(run(commands, "diff", "notebook", session, "--from", first, "--json"))
    assert document["state"][1] == {"op": "replace", "path": "/notes/a", "value": "3"}
    assert run(commands, "diff", "notebook", session, "--from", first, "--to", first) == "nothing changed\n"
    assert "no snapshot 'x'" in refused(commands, "diff", "notebook", session, "--from", "x")
