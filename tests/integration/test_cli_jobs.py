"""`pumice jobs`: looking at jobs, running them by hand, and asking what became of a run."""

import json

import pytest

from tests.support.client import new_session
from tests.support.commands import Commands

AGENTS = "reminders=tests.support.agents_reminders:Reminders"
NEW_YEAR = "2025-01-01T09:00:00Z"


@pytest.fixture
def commands(stack, tmp_path):
    for table in ("jobs", "job_gaps", "ticks"):
        stack.query(f"delete from {table} where agent_id = 'reminders'")
    return Commands(tmp_path, **{**stack.environ, "AGENTS": AGENTS})


@pytest.fixture
def run(commands):
    """Runs `pumice jobs …`; returns what it printed."""

    def call(*arguments, status=0):
        done = commands.call("jobs", *arguments)
        assert done.exit_code == status, done.output
        return done.output

    return call


@pytest.fixture
def session(stack):
    name = new_session()
    stack.agent("reminders").reply("pro", name)
    return name


def line_of(output, name):
    return next(line for line in output.splitlines() if f" {name} " in line)


def test_jobs_are_listed_with_what_they_remember(run, commands, stack):
    stack.query("insert into jobs (agent_id, name, declaration, paused_at) values "
                "('reminders', 'remind', '', now()), ('reminders', 'gone', '', null)")  # fmt: skip
    stack.query("insert into job_gaps values ('reminders', 'billed', now(), now(), 'paused', 3)")
    stack.query(
        "insert into jobs (agent_id, name, declaration, error) values ('reminders', 'billed', '', 'no such day')"
    )
    stack.query(
        "insert into ticks (agent_id, job, scheduled_for, sessions, done, drained, next_at) values "
        "('reminders', 'remind', '2025-01-01', 10, 5, 'z', now() + interval '1 hour')"
    )
    output = run("list")
    assert " paused " in line_of(output, "remind")
    assert "[##########----------]  50%" in line_of(output, "remind")
    assert " removed " in line_of(output, "gone")
    assert "wrong: no such day" in line_of(output, "billed")
    assert " every 3600 s " in line_of(output, "hourly")
    assert " once " in line_of(output, "nightly")
    rows = {row["name"]: row for row in commands.json("jobs", "list", "--agent", "reminders")}
    assert rows["billed"]["missed"] == {"paused": 3}
    assert rows["remind"]["lastTick"]["done"] == 5
    assert "names no agent" in run("list", "--agent", "nobody", status=1)


def test_a_job_is_paused_and_resumed(run, commands):
    assert run("pause", "reminders", "remind").startswith("reminders/remind paused since ")
    assert commands.json("jobs", "pause", "reminders", "remind")["paused"]
    assert run("resume", "reminders", "remind") == "reminders/remind runs when it is due\n"
    assert not commands.json("jobs", "resume", "reminders", "remind")["paused"]
    assert "no such job" in run("pause", "reminders", "never", status=1)


def test_a_job_is_run_in_a_session_and_waited_for(run, commands, stack, session):
    found = commands.json("jobs", "run", "reminders", "remind", "--session", session, "--wait")
    assert found["outcome"] == "ran"
    assert stack.agent("reminders").state(session)["runs"] == 1
    output = run("explain", "reminders", "remind", session, found["scheduledFor"])
    assert output.startswith(f"{found['scheduledFor']} ran\n  interactionId: {found['interactionId']}\n")
    assert "ValueError: no paper" in run("run", "reminders", "broken", "--session", session, "--wait", status=1)
    assert "no such session" in run("run", "reminders", "remind", "--session", "nobody", status=1)


def test_a_job_is_run_everywhere_and_its_tick_is_listed(run, commands, stack, session):
    tick = commands.json("jobs", "run", "reminders", "everyone", "--wait")
    assert tick["doneAt"]
    assert (tick["kind"], tick["failed"]) == ("manual", 0)
    [row] = commands.json("jobs", "ticks", "reminders", "everyone")
    assert row["scheduledFor"] == tick["scheduledFor"]
    output = run("ticks", "reminders", "everyone")
    assert output.splitlines()[0].split() == [
        *("DUE", "KIND", "SESSIONS", "DONE", "FAILED", "SKIPPED", "MISSED", "PROGRESS")
    ]
    assert " manual " in output
    assert run("run", "reminders", "nightly").startswith("reminders/nightly runs now, as that of ")
    assert "no such job" in run("ticks", "reminders", "never", status=1)


def test_a_span_is_backfilled(run, commands):
    span = ("--from", "2023-01-01T00:00:00Z", "--to", NEW_YEAR)
    assert commands.json("jobs", "backfill", "reminders", "broken", *span)["ticks"] == 3
    assert "0 due times; 3 had a tick" in run("backfill", "reminders", "broken", *span)
    assert "--from: must be a time" in run("backfill", "reminders", "broken", "--from", "x", "--to", NEW_YEAR, status=1)


def test_what_happened_is_told(run, session):
    output = run("explain", "reminders", "remind", session, "2025-01-02T09:00:00Z")
    assert "not-due: the session was made later" in output
    output = run("explain", "reminders", "remind", session, "2100-01-02T09:00:00Z")
    assert "not-due: the job (0 9 1 1 * UTC) is not due at that time" in output
    assert "dueAfter: 2101-01-01T09:00:00+00:00" in output
    assert "waiting: it is due in the future" in run("explain", "reminders", "nightly", "-", "2100-01-01T00:00:00Z")
    assert "the job is static" in run("explain", "reminders", "nightly", session, NEW_YEAR, status=1)
    assert "runs in each session" in run("explain", "reminders", "remind", "-", NEW_YEAR, status=1)


def test_check_names_jobs_that_are_gone_from_the_code(commands, stack):
    stack.query("insert into jobs (agent_id, name, declaration) values ('reminders', 'gone', ''), "
                "('reminders', 'remind', ''), ('elsewhere', 'theirs', '')")  # fmt: skip
    stack.query("insert into interactions (id, agent_id, session_id, kind, name, payload, scheduled_for, wake_at) "
                "select pumice_uuid7(), 'reminders', 's' || n, 'job', 'gone', '{}', now(), now() + interval '1 hour' "
                "from generate_series(1, 3) n")  # fmt: skip
    done = commands.call("check")
    [line] = [line for line in done.output.splitlines() if line.startswith("warn")]
    assert line == (
        "warn  reminders/gone: is not in the code any more: it was removed or renamed; 3 of its interactions are queued"
    )
    [found] = [one for one in json.loads(commands.call("check", "--json").stdout)["checks"] if one["warning"]]
    assert (found["name"], found["ok"]) == ("reminders/gone", True)
    stack.query("delete from interactions where name = 'gone'")
