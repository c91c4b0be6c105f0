"""`pumice dead`, as an operator calls it."""

import pytest
from click.testing import CliRunner

from pumice.cli import pumice
from tests.support.client import new_session
from tests.support.control import accept, send_hook


@pytest.fixture
def dead(control):
    """Run `pumice dead …` for an agent; returns the exit code and what it printed."""

    def run(action: str, *arguments: str, agent: str = "flaky") -> tuple[int, str]:
        command = ["dead", action, "--agent", agent, *arguments]
        done = CliRunner().invoke(pumice, command, env={"DATABASE_URL": control.database_url})
        return done.exit_code, done.output

    return run


def test_they_are_listed_shown_and_discarded(control, dead):
    flaky, session = control.agent("flaky"), new_session()
    first = accept(flaky, "fail", session)
    second = send_hook(flaky, "plain", session, times=1)
    assert [flaky.finished(one)["status"] for one in (first, second)] == ["dead", "failed"]
    code, lines = dead("list", "--session", session)
    assert code == 0
    assert [line.split()[:4] for line in lines.splitlines()] == [
        [first, "dead", session, "chat"],
        [second, "failed", session, "hook"],
    ]
    assert "RuntimeError: the secret is 42" in lines
    assert dead("list", "--session", session, agent="flaky-too") == (0, "")
    assert dead("discard", "--session", session, "--status", "dead") == (0, "discarded 1\n")
    assert dead("list", "--session", session)[1].split()[0] == second
    assert flaky.interaction(first).json()["status"] == "cancelled"


def test_one_is_shown_with_the_tracebacks_of_all_attempts(control, dead):
    flaky, session = control.agent("flaky"), new_session()
    one = accept(flaky, "fail", session)
    flaky.finished(one)
    code, shown = dead("show", one)
    assert code == 0
    assert f"{one} chat  of session {session}: dead, dead after attempt 2: RuntimeError" in shown
    attempts = [line for line in shown.splitlines() if line.startswith("attempt ")]
    assert attempts == [f"attempt {number}: RuntimeError: the secret is 42" for number in (1, 2)]
    assert shown.count("raise RuntimeError") == 2


def test_they_are_retried_and_workers_run_them(control, dead):
    flaky, session = control.agent("flaky"), new_session()
    one = send_hook(flaky, "plain", session, times=1)
    flaky.finished(one)
    assert dead("retry", "--id", one, agent="flaky-too") == (0, "queued 0 again\n")
    assert dead("retry", "--session", session, "--kind", "hook", "--name", "plain") == (0, "queued 1 again\n")
    assert len(flaky.finished(one)["errors"]) == 3


def test_what_is_wrong_is_told_in_a_line(dead):
    assert dead("list", "--status", "done")[0] == 2
    for code, line in (dead("show", "no-id"), dead("show", "01a202c7-763d-7222-a8ef-1bb92839e318")):
        assert code == 1
        assert line.count("\n") == 1
