"""`pumice failures`, as an operator calls it."""

import pytest

from tests.support.client import new_session
from tests.support.commands import Commands
from tests.support.control import accept, send_hook


@pytest.fixture
def commands(control, tmp_path):
    return Commands(tmp_path, DATABASE_URL=control.database_url)


@pytest.fixture
def failures(commands):
    """Run `pumice failures …` for an agent; returns the exit code and what it printed."""

    def run(action: str, *arguments: str, agent: str = "flaky", said: str = "") -> tuple[int, str]:
        done = commands.call("failures", action, "--agent", agent, *arguments, said=said)
        return done.exit_code, done.output

    return run


def test_they_are_listed_shown_and_discarded(control, failures, commands):
    flaky, session = control.agent("flaky"), new_session()
    first = accept(flaky, "fail", session)
    second = send_hook(flaky, "plain", session, times=1)
    assert [flaky.finished(one)["status"] for one in (first, second)] == ["dead", "failed"]
    code, lines = failures("list", "--session", session)
    assert code == 0
    assert [line.split()[:4] for line in lines.splitlines()] == [
        ["ID", "STATUS", "SESSION", "WHAT"],
        [first, "dead", session, "chat"],
        [second, "failed", session, "hook"],
    ]
    assert "RuntimeError: the secret is 42" in lines
    rows = commands.json("failures", "list", "--agent", "flaky", "--session", session)
    assert [(row["interactionId"], row["status"], row["kind"]) for row in rows] == [
        (first, "dead", "chat"),
        (second, "failed", "hook"),
    ]
    assert failures("list", "--session", session, agent="flaky-too") == (0, "")
    assert failures("discard", "--session", session, "--status", "dead", "--yes") == (0, "discarded 1\n")
    assert failures("list", "--session", session)[1].splitlines()[1].split()[0] == second
    assert flaky.interaction(first).json()["status"] == "cancelled"


def test_one_is_shown_with_the_tracebacks_of_all_attempts(control, failures, commands):
    flaky, session = control.agent("flaky"), new_session()
    one = accept(flaky, "fail", session)
    flaky.finished(one)
    code, shown = failures("show", one)
    assert code == 0
    assert f"{one} chat of session {session}: dead, dead after attempt 2: RuntimeError" in shown
    attempts = [line for line in shown.splitlines() if line.startswith("attempt ")]
    assert attempts == [f"attempt {number}: RuntimeError: the secret is 42" for number in (1, 2)]
    assert shown.count("raise RuntimeError") == 2
    assert len(commands.json("failures", "show", "--agent", "flaky", one)["errors"]) == 2


def test_nothing_is_done_without_agreement(control, failures):
    flaky, session = control.agent("flaky"), new_session()
    for _ in range(2):
        flaky.finished(send_hook(flaky, "plain", session, times=1))
    chosen = ("--session", session)
    assert failures("retry", *chosen, "--dry-run") == (0, "would retry 2 interactions of agent flaky\n")
    code, said = failures("discard", *chosen, said="n\n")
    assert code == 1
    assert said.startswith("discard 2 interactions of agent flaky? [y/N]: ")
    assert failures("discard", *chosen)[0] == 1
    assert len(failures("list", *chosen)[1].splitlines()) == 3
    code, said = failures("discard", *chosen, said="y\n")
    assert (code, said.splitlines()[-1]) == (0, "discarded 2")


def test_they_are_retried_and_workers_run_them(control, failures):
    flaky, session = control.agent("flaky"), new_session()
    one = send_hook(flaky, "plain", session, times=1)
    flaky.finished(one)
    assert failures("retry", "--id", one, agent="flaky-too") == (0, "queued 0 again\n")
    chosen = ("--session", session, "--kind", "hook", "--name", "plain", "--yes")
    assert failures("retry", *chosen) == (0, "queued 1 again\n")
    assert len(flaky.finished(one)["errors"]) == 3


def test_what_is_wrong_is_told_in_a_line(failures):
    assert failures("list", "--status", "done")[0] == 2
    assert failures("show", "no-id")[0] == 2
    code, line = failures("show", "01a202c7-763d-7222-a8ef-1bb92839e318")
    assert (code, line.count("\n")) == (1, 1)
