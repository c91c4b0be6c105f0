"""agents, jobs, sessions, chat, shell, settings and completion, on a running front."""

import json
import os
import re
import subprocess
from datetime import datetime, timedelta

import pytest

from pumice.cli.instance import find_instance
from tests.integration.conftest import AGENTS
from tests.support.client import new_session
from tests.support.commands import PUMICE, Commands

AUTHOR = """
from pumice import Agent, hook, job, tool


class Desk(Agent):
    def reply(self, messages):
        return "hi"

    @hook("order")
    def order(self, request): ...

    @job("0 9 * * *", timezone="Europe/Berlin")
    def remind(self): ...

    @staticmethod
    @job("*/5 * * * *")
    def nightly(): ...
"""


@pytest.fixture
def commands(stack, tmp_path):
    """Commands in an author's folder, on the stack's servers."""
    (tmp_path / "desk.py").write_text(AUTHOR)
    return Commands(tmp_path, **{**stack.environ, "AGENTS": "desk=desk:Desk"})


@pytest.fixture
def chat(stack, commands):
    """Run `pumice chat` with an agent of the stack; returns the exit status, the reply and the rest."""

    def run(agent: str, *arguments: str, said: str = "") -> tuple[int, str, str]:
        front = {"PUMICE_URL": stack.url, "PUMICE_API_KEY": stack.agent(agent).public_key}
        done = commands.call("chat", agent, *arguments, said=said, **front)
        return done.exit_code, done.stdout, done.stderr

    return run


@pytest.fixture
def dev_folder(stack, commands):
    """The folder of a running `pumice dev`, as its data directory describes it."""
    data = commands.folder / ".pumice"
    data.mkdir()
    echo = stack.agent("echo")
    content = {
        "url": stack.url,
        "databaseUrl": stack.environ["DATABASE_URL"],
        "redisUrl": stack.environ["REDIS_URL"],
        "agents": {"echo": {"publicKey": echo.public_key, "secretKey": echo.secret_key}},
        "pids": {},
    }
    (data / "dev.json").write_text(json.dumps(content))
    (data / "agents.json").write_text(json.dumps({"declaration": AGENTS}))
    return data


def test_agents_are_listed(commands):
    done = commands.call("agents")
    assert done.output.splitlines()[1].split() == ["desk", "desk:Desk", "yes", "order", "nightly,", "remind", "-"]
    assert commands.json("agents") == [
        {
            "id": "desk",
            "class": "desk:Desk",
            "chat": True,
            "hooks": ["order"],
            "jobs": ["nightly", "remind"],
            "tools": [],
        }
    ]
    assert commands.call("agents", AGENTS="").exit_code == 1


def test_jobs_are_listed_with_their_next_times(commands):
    nightly, remind = commands.json("jobs", "list")
    assert not remind["paused"]
    assert not remind["removed"]
    assert (remind["cron"], remind["timezone"], remind["static"], nightly["static"]) == (
        "0 9 * * *",
        "Europe/Berlin",
        False,
        True,
    )
    dues = [datetime.fromisoformat(due) for due in remind["nextDue"]]
    assert len(dues) == 3
    assert {due.hour for due in dues} == {9}
    assert dues[2].date() - dues[0].date() == timedelta(days=2)
    line = next(line for line in commands.call("jobs", "list").output.splitlines() if "remind" in line)
    assert re.search(r"each session +on +- +- +\d{4}-\d\d-\d\d 09:00:00[+]0[12]00, ", line)


def test_sessions_are_listed_shown_and_read(stack, commands):
    echo, session = stack.agent("echo"), new_session()
    echo.reply("hello there", session)
    before = session[:-1]
    listed = commands.json("sessions", "list", "echo", "--after", before, "--limit", "1")
    assert [row["sessionId"] for row in listed] == [session]
    shown = commands.json("sessions", "show", "echo", session)
    assert (shown["agentId"], shown["messageCount"], shown["state"]) == ("echo", 2, echo.state(session))
    said = commands.json("sessions", "messages", "echo", session)
    assert (said[0]["role"], said[0]["content"]) == ("user", "hello there")
    assert session in commands.call("sessions", "list", "echo", "--after", before).output
    assert f"sessionId: {session}\n" in commands.call("sessions", "show", "echo", session).output
    assert "user       hello there" in commands.call("sessions", "messages", "echo", session).output
    assert commands.call("sessions", "list", "other", "--after", before, "--limit", "1").exit_code == 0
    assert commands.call("sessions", "messages", "other", session).exit_code == 1


def test_what_clients_write_can_not_forge_a_line(stack, commands):
    session = new_session()
    stack.agent("echo").reply("one\n9  2026-01-01 00:00:00  system  forged\x1b[31m", session)
    lines = commands.call("sessions", "messages", "echo", session).output.splitlines()
    assert len(lines) == 3
    assert r"one\n9  2026-01-01 00:00:00  system  forged\x1b[31m" in lines[1]


def test_one_message(stack, chat):
    session = new_session()
    status, reply, rest = chat("echo", session, "-m", "hello")
    assert (status, reply, rest) == (0, stack.agent("echo").reply("hello") + "\n", "")
    status, _, rest = chat("echo", "-m", "hello")
    assert status == 0
    assert re.fullmatch(r"\(session \S+\)\n", rest)
    found = json.loads(chat("echo", session, "-m", "again", "--json")[1])
    assert (found["sessionId"], found["message"]["role"]) == (session, "assistant")


def test_a_conversation_stays_in_one_session(stack, chat):
    status, replies, rest = chat("echo", said="first\nsecond\n\nthird\n")
    assert status == 0
    assert len(replies.splitlines()) == 2
    session = re.findall(r"\(session (\S+)\)", rest)
    assert len(session) == 1
    messages = stack.agent("echo").sessions(f"/{session[0]}/messages").json()["messages"]
    assert [one["content"] for one in messages if one["role"] == "user"] == ["first", "second"]


def test_a_reply_is_printed_as_it_is_streamed(stack, chat):
    deltas = [one.data["content"] for one in stack.agent("streamer").events("hello") if one.type == "delta"]
    assert len(deltas) > 1
    assert chat("streamer", "-m", "hello")[1] == "".join(deltas) + "\n"


def test_what_goes_wrong_in_a_chat_is_a_line(stack, commands, chat):
    front = {"PUMICE_URL": stack.url, "PUMICE_API_KEY": "pub_wrong"}
    done = commands.call("chat", "echo", "-m", "hello", **front)
    assert (done.exit_code, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert "answers 401: " in done.stderr
    status, reply, rest = chat("faulty", "-m", "raise")
    assert (status, len(rest.splitlines())) == (1, 1), reply + rest
    assert chat("echo", "$not-allowed", "-m", "hello")[0] == 1


def test_a_running_dev_is_found(stack, commands, dev_folder):
    session, elsewhere = new_session(), "postgresql://u@127.0.0.1:1/none"
    without = {"DATABASE_URL": elsewhere, "AGENTS": "", "PUMICE_URL": "", "PUMICE_API_KEY": ""}
    done = commands.call("chat", "echo", session, "-m", "hello", **without)
    assert (done.exit_code, done.output) == (0, stack.agent("echo").reply("hello") + "\n")
    shown = commands.call("sessions", "show", "echo", session, **without)
    assert shown.exit_code == 0
    assert "using the running pumice dev (.pumice/dev.json), not DATABASE_URL" in shown.stderr
    assert "echo" in [one["id"] for one in commands.json("agents", **without)]
    assert commands.call("health", "web", **without).exit_code == 0
    checked = commands.call("check", DATABASE_URL="", AGENTS="", REDIS_URL="")
    assert (checked.exit_code, "wrong" in checked.output) == (0, False)
    unknown = commands.call("chat", "nobody", "-m", "hello", **without)
    assert (unknown.exit_code, unknown.stderr) == (
        1,
        "pumice: the running pumice dev has no agent 'nobody': it serves echo\n",
    )


def test_another_data_directory_can_be_named(commands, dev_folder):
    moved = dev_folder.rename(commands.folder / "elsewhere")
    without = {"DATABASE_URL": "", "AGENTS": ""}
    assert commands.call("keys", "list", **without).exit_code == 1
    done = commands.call("keys", "list", "--data-dir", str(moved), "--agent", "echo", **without)
    assert (done.exit_code, done.stderr) == (0, "")


def test_what_a_killed_dev_left_is_ignored(dev_folder):
    assert find_instance(dev_folder).runs
    (dev_folder / "lock").touch()
    assert not find_instance(dev_folder).runs


def test_a_shell_has_the_agents_and_the_database(commands):
    program = "print(sorted(agents), settings.port, sessions('desk'))\nprint(session('desk', 'none'))\n"
    done = commands.run("shell", said=program)
    assert done.returncode == 0, done.stderr
    assert f"['desk'] {commands.environ.get('PORT', '8000')} []" in done.stdout
    assert "None" in done.stdout


def test_settings_are_listed_without_secrets(commands):
    secret = {"SESSION_TOKEN_SECRET": "s3cret" * 8, "REDIS_URL": "redis://:s3cret@h/1"}
    found = {one["name"]: one for one in commands.json("settings", **secret)}
    assert (found["REDIS_URL"]["value"], found["REDIS_URL"]["source"]) == ("redis://:***@h/1", "environment")
    assert (found["SESSION_TOKEN_SECRET"]["value"], found["WAKE_SIZE"]["source"]) == ("***", "default")
    done = commands.call("settings", **secret)
    assert re.search(r"^WAKE_SIZE +100 +100 +default$", done.output, re.MULTILINE)
    assert "s3cret" not in done.output
    wrong = commands.call("settings", PORT="http")
    assert wrong.exit_code == 1
    assert re.search(r"^PORT +- +8000 +environment, wrong$", wrong.output, re.MULTILINE)


@pytest.mark.parametrize(
    ("shell", "words", "position", "wanted"),
    [
        ("bash", "pumice ke", "1", "plain,keys"),
        ("bash", "pumice failures re", "2", "plain,retry"),
        ("zsh", "pumice db up", "2", "upgrade"),
        ("fish", "pumice sess", "sess", "plain,sessions"),
    ],
)
def test_a_shell_completes_commands(shell, words, position, wanted):
    environ = {**os.environ, "_PUMICE_COMPLETE": f"{shell}_complete", "COMP_WORDS": words, "COMP_CWORD": position}
    done = subprocess.run([PUMICE], env=environ, capture_output=True, text=True, check=False, timeout=30)
    assert wanted in done.stdout
    source = {**os.environ, "_PUMICE_COMPLETE": f"{shell}_source"}
    script = subprocess.run([PUMICE], env=source, capture_output=True, text=True, check=False, timeout=30)
    assert "_PUMICE_COMPLETE" in script.stdout
