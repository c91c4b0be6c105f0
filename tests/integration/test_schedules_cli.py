"""`pumice sessions schedules`: what a session is to do later."""

import pytest

from tests.support.client import new_session
from tests.support.commands import Commands


@pytest.fixture
def commands(stack, tmp_path):
    return Commands(tmp_path, **stack.environ)


def test_a_sessions_schedules_are_listed(planner, commands):
    session = new_session()
    interaction = planner.reply("later 1000", session)
    planner.reply("start", session)
    done = commands.call("sessions", "schedules", "planner", session)
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["KEY", "METHOD", "NEXT", "WHEN", "LAST", "INTERACTION", "ERROR"]
    assert [line.split()[0] for line in lines[1:]] == ["hour", "morning", "-"]
    assert "every 3600 s" in lines[1]
    assert "0 9 * * * (session)" in lines[2]
    assert interaction in lines[3]
    found = commands.json("sessions", "schedules", "planner", session)
    assert [(one["key"], one["every"], one["cron"]) for one in found] == [
        ("hour", 3600.0, None),
        ("morning", None, "0 9 * * *"),
        (None, None, None),
    ]
    first = commands.call("sessions", "schedules", "planner", session, "--limit", "1")
    assert "--after 'khour'" in first.output
    rest = commands.json("sessions", "schedules", "planner", session, "--after", "khour")
    assert [one["key"] for one in rest] == ["morning", None]


def test_a_session_that_is_not_there_is_named(commands):
    done = commands.call("sessions", "schedules", "planner", new_session())
    assert done.exit_code == 1
    assert "Traceback" not in done.output
