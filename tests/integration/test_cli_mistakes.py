"""What operators and authors do wrong: one clear line and the right exit status, for check, web, worker and beat."""

import socket

import psycopg
import pytest

from tests.support.commands import Commands, ended
from tests.support.databases import database

PROCESSES = ("web", "worker", "beat")
GOOD = "from pumice import Agent\n\n\nclass Desk(Agent):\n    def reply(self, messages):\n        return 'hi'\n"
FILES = {
    "good.py": GOOD,
    "syntax.py": "from pumice import Agent\n\nclass Desk(Agent)\n    pass\n",
    "raising.py": "def load():\n    return {}['colour']\n\n\nload()\n",
    "leaving.py": "import sys\nsys.exit(7)\n",
    "cron.py": GOOD.replace("import Agent", "import Agent, job")
    + "\n    @job('61 * * * *')\n    def tick(self): ...\n",
    "other.py": "class Desk: ...\n",
}
SETTINGS = {
    "DATABASE_URL": ("mysql://x", "must look like postgresql://"),
    "PORT": ("http", "valid integer"),
    "WORKER_POOL": ("gevent", "'threads', 'prefork' or 'solo'"),
    "AGENTS": ("", "is not set"),
}
AGENTS = {
    "a=nowhere:Desk": "AGENTS 'a=nowhere:Desk': nowhere can't be imported: ModuleNotFoundError: No module named",
    "b=good:Clerk": "AGENTS 'b=good:Clerk': good has no agent class Clerk",
    "c=other:Desk": "AGENTS 'c=other:Desk': other has no agent class Desk",
    "d=good": "AGENTS 'd=good': must look like id=module:Class",
    "e!=good:Desk": "AGENTS 'e!=good:Desk': must look like id=module:Class",
    "f=syntax:Desk": "syntax.py:3: SyntaxError: expected ':'",
    "g=raising:Desk": "raising.py:2: KeyError: 'colour'",
    "h=leaving:Desk": "leaving.py:2: SystemExit: 7",
    "i=cron:Desk": "Desk.tick: '61 * * * *' is no cron expression",
}


@pytest.fixture
def commands(tmp_path, database_url, redis_url):
    """Commands in a folder with agents, most of them wrong; all settings are right."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "HOST": "127.0.0.1", "PORT": "0"}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        servers["PORT"] = str(probe.getsockname()[1])
    return Commands(tmp_path, AGENTS="desk=good:Desk", **servers)


def test_every_wrong_setting_has_a_line(commands):
    environ = {name: value for name, (value, _) in SETTINGS.items()}
    done = ended({one: commands.start(one, **environ) for one in ("check", *PROCESSES)})
    lines = [f"{name} " for name in SETTINGS]
    for process in PROCESSES:
        status, out, err = done[process]
        assert (status, out) == (1, "")
        assert [line for line in err.splitlines() if line.startswith(tuple(lines))] == err.splitlines()[:-1]
        assert all(what in err for _, what in SETTINGS.values())
    status, out, err = done["check"]
    assert (status, err) == (1, "")
    for name, (_, what) in SETTINGS.items():
        assert [line for line in out.splitlines() if line.startswith(f"wrong {name}: ") and what in line], out
    assert "ok    REDIS_URL: " in out
    assert "ok    BROKER_URL: " in out


def test_every_wrong_agent_has_a_line_in_one_check(commands):
    done = commands.run("check", AGENTS=",".join(AGENTS))
    assert done.returncode == 1
    wrong = [line for line in done.stdout.splitlines() if line.startswith("wrong AGENTS: ")]
    assert len(wrong) == len(AGENTS)
    assert all(what in line for what, line in zip(AGENTS.values(), wrong, strict=True)), wrong
    assert str(commands.folder) not in done.stdout


@pytest.mark.parametrize("agent", ["f=syntax:Desk", "i=cron:Desk", "j=good:Desk,j=good:Desk"])
def test_a_wrong_agent_ends_each_process_with_a_line(commands, agent):
    done = ended({one: commands.start(one, AGENTS=agent) for one in PROCESSES})
    for process in PROCESSES:
        status, out, err = done[process]
        assert (status, out, len(err.splitlines())) == (1, "", 1), (process, out + err)
        assert AGENTS.get(agent, "the id 'j' is there twice") in err


@pytest.mark.parametrize(
    ("revision", "what"),
    [
        (None, "the schema isn't there: run `pumice db upgrade`"),
        ("0001", "the schema is at 0001 and this version needs "),
        ("9999", "this code is older than the database"),
    ],
)
def test_a_schema_of_another_version(commands, postgres_server, revision, what):
    with database(postgres_server.url("postgres")) as empty:
        url = postgres_server.url(empty)
        if revision is not None:
            with psycopg.connect(url) as connection:
                connection.execute("create table alembic_version (version_num text)")
                connection.execute("insert into alembic_version values (%s)", [revision])
        done = ended({one: commands.start(one, DATABASE_URL=url) for one in ("check", *PROCESSES)})
        current = commands.run("db", "current", DATABASE_URL=url)
    for process in PROCESSES:
        status, out, err = done[process]
        assert (status, out, len(err.splitlines())) == (1, "", 1), (process, out + err)
        assert what in err
    assert done["check"][0] == current.returncode == 1
    assert [line for line in done["check"][1].splitlines() if line.startswith("wrong schema: ") and what in line]
    assert what in current.stdout


def test_a_taken_port_is_a_line(commands):
    with socket.create_server(("127.0.0.1", int(commands.environ["PORT"]))):
        done = commands.run("web")
    assert done.returncode == 1
    assert done.stderr == (
        f"pumice: can't listen on 127.0.0.1:{commands.environ['PORT']}: Address already in use. "
        "Stop what listens there, or set HOST and PORT.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "what"),
    [
        (["serve"], 2, "No such command 'serve'"),
        (["keys", "create"], 2, "Missing option '--agent'"),
        (["keys", "create", "--agent", "a b"], 2, "'a b' is no agent id"),
        (["keys", "revoke", "pub_none"], 1, "that is no valid key"),
        (["sessions", "show", "desk", "nobody"], 1, "agent desk has no session 'nobody'"),
        (["failures", "show", "--agent", "desk", "7"], 2, "'7' is not a valid UUID"),
        (["failures", "list", "--agent", "desk", "--status", "done"], 2, "'done' is not one of"),
        (["health", "postgres"], 2, "'postgres' is not one of 'web', 'worker', 'beat'"),
        (["health", "web"], 1, "/readyz doesn't answer: "),
        (["health", "worker"], 1, "Postgres has seen no worker of this host"),
        (["health", "beat"], 1, "Postgres has seen no beat of this host"),
        (["chat", "desk", "-m", "hi"], 1, "name a front with --url or PUMICE_URL"),
        (["chat", "desk", "-m", "hi", "--url", "http://127.0.0.1:1"], 1, "name a key with --key or PUMICE_API_KEY"),
        (["chat", "desk", "-m", "hi", "--url", "http://127.0.0.1:1", "--key", "x"], 1, "can't be reached: "),
        (["chat", "desk", "-m", "hi", "--url", "localhost", "--key", "x"], 1, "can't be reached: "),
    ],
)
def test_commands_that_can_not_be_done(commands, arguments, status, what):
    done = commands.call(*arguments)
    assert done.exit_code == status, done.output
    assert what in done.output
    if status == 1:
        assert len(done.output.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["keys", "list"],
        ["keys", "create", "--agent", "desk"],
        ["sessions", "list", "desk"],
        ["failures", "list", "--agent", "desk"],
        ["db", "current"],
        ["health", "worker"],
    ],
)
@pytest.mark.parametrize("state", ["away", "unmigrated"])
def test_commands_whose_database_can_not_be_used(commands, postgres_server, arguments, state):
    with database(postgres_server.url("postgres")) as empty:
        away = "postgresql://u:hidden@127.0.0.1:1/none"
        done = commands.call(*arguments, DATABASE_URL=away if state == "away" else postgres_server.url(empty))
    assert done.exit_code == 1
    assert len(done.output.splitlines()) == 1, done.output
    assert ("Postgres can't be reached: " if state == "away" else "run `pumice db upgrade`") in done.output
    assert "hidden" not in done.output
