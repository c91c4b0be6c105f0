"""What commands are asked for: conditions in several parts, numbers out of bounds, sessions that are not there."""

import json
import subprocess
import sys

import pytest

from tests.support.client import new_session
from tests.support.commands import Commands

HUGE = "99999999999999999999"


@pytest.fixture
def commands(stack, tmp_path):
    return Commands(tmp_path, **stack.environ)


def listed(commands, *where):
    options = [option for one in where for option in ("--where", one)]
    return commands.call("sessions", "list", "notebook", "--json", *options)


def test_all_that_is_asked_of_one_field_must_hold(stack, commands):
    notebook = stack.agent("notebook")
    low, high = sorted((new_session(), new_session()))
    for session in (low, high):
        notebook.reply("set a 1", session)
    done = listed(commands, f'id={{"gte": "{low}"}}', f'id={{"lt": "{high}"}}', 'id={"exists": true}')
    assert low in [one["sessionId"] for one in json.loads(done.stdout)]
    assert high not in [one["sessionId"] for one in json.loads(done.stdout)]
    done = listed(commands, f"id={low}", f'{{"id": {{"lte": "{high}"}}}}')
    assert [one["sessionId"] for one in json.loads(done.stdout)] == [low]


@pytest.mark.parametrize(
    "where",
    [
        ("id=a", "id=b"),
        ('id={"gt": "a"}', 'id={"gt": "b"}'),
        ("id=a", '{"id": {"eq": "b"}}'),
    ],
)
def test_what_would_replace_what_was_asked_before_is_refused(commands, where):
    done = listed(commands, *where)
    assert (done.exit_code, "twice" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "command",
    [
        ("fleet", "list", "notebook", "--limit", HUGE),
        ("sessions", "list", "notebook", "--limit", HUGE),
        ("sessions", "points", "notebook", "s", "--limit", HUGE),
        ("sessions", "messages", "notebook", "s", "--limit", HUGE),
        ("sessions", "messages", "notebook", "s", "--after", HUGE),
        ("sessions", "storage", "notebook", "--limit", HUGE),
        ("failures", "list", "--agent", "notebook", "--limit", HUGE),
    ],
)
def test_numbers_out_of_bounds_are_refused(commands, command):
    done = commands.call(*command)
    assert (done.exit_code, "range" in done.stderr) == (2, True)


@pytest.mark.parametrize("command", ["points", "snapshots"])
def test_a_session_that_is_not_there_is_told(commands, command):
    done = commands.call("sessions", command, "notebook", new_session())
    assert (done.exit_code, "no such session" in done.stderr) == (1, True)


def test_python_runs_the_package_as_the_command():
    done = subprocess.run([sys.executable, "-m", "pumice", "--help"], capture_output=True, text=True, check=True)
    assert "stateful agent sessions" in done.stdout
