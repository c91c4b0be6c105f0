"""web, worker and beat as operators start them: where they listen, what they wait for, and `pumice health`."""

import re
import signal
import socket

import psycopg
import pytest

from tests.integration.conftest import AGENTS
from tests.support.commands import Commands
from tests.support.processes import free_port
from tests.support.stack import Process
from tests.support.waiting import wait_until

GOOD = "from pumice import Agent\n\n\nclass Desk(Agent):\n    def reply(self, messages):\n        return 'hi'\n"


@pytest.fixture
def commands(tmp_path, database_url, redis_url):
    (tmp_path / "good.py").write_text(GOOD)
    settings = {"HOST": "127.0.0.1", "PORT": str(free_port()), "SHUTDOWN_TIMEOUT": "2", "AGENTS": "desk=good:Desk"}
    return Commands(tmp_path, DATABASE_URL=database_url, REDIS_URL=redis_url, **settings)


def test_the_front_says_where_it_listens(stack):
    front = stack.shared["front"]
    address = front.url.removeprefix("http://")
    assert [line for line in front.lines if line.endswith(f"I pumice.web listening at=http://{address}\n")]


def test_health_of_processes_that_run(stack, tmp_path):
    commands = Commands(tmp_path, **{**stack.environ, "AGENTS": AGENTS})
    port = stack.shared["front"].url.rpartition(":")[2]
    web = commands.call("health", "web", PORT=port)
    assert (web.exit_code, web.output) == (0, f"web: ready at {stack.shared['front'].url}\n")
    worker = commands.call("health", "worker")
    assert worker.exit_code == 0
    name = f"{socket.gethostname()}:{stack.shared['worker'].pid}"
    assert re.fullmatch(rf"worker: .*{re.escape(name)}.* seen \d s ago\n", worker.output)
    everything = commands.call("health", PORT=port)
    assert (everything.exit_code, [line.split()[0] for line in everything.output.splitlines()]) == (
        1,
        ["web:", "worker:", "beat:"],
    )
    with stack.process("beat") as beat:
        wait_until(lambda: commands.call("health", "beat").exit_code == 0, 60, "a healthy beat")
        found = commands.json("health", PORT=port)
        assert {one: state["ok"] for one, state in found.items()} == {"web": True, "worker": True, "beat": True}
        assert f":{beat.pid} seen 0 s ago" in found["beat"]["message"]


@pytest.mark.parametrize(("table", "process"), [("workers", "worker"), ("beats", "beat")])
def test_health_of_what_was_not_seen_lately(commands, table, process):
    host = socket.gethostname()
    columns, values = ("name, holds_lock", "%s, false") if table == "workers" else ("name", "%s")
    with psycopg.connect(commands.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"insert into {table} ({columns}) values ({values})", [f"{host}2:7"])
        assert "has seen no" in commands.call("health", process).output
        connection.execute(f"insert into {table} ({columns}) values ({values})", [f"{host}:7"])
        assert commands.call("health", process).output == f"{process}: {host}:7 seen 0 s ago\n"
        connection.execute(f"update {table} set seen_at = now() - interval '11 seconds'")
    done = commands.call("health", process)
    assert (done.exit_code, done.output) == (1, f"{process}: {host}:7 was seen last 11 s ago\n")


@pytest.mark.slow
def test_processes_start_without_postgres_and_work_once_it_is_there(outage):
    with outage.postgres.away(), outage.stack.process("web") as front, outage.stack.process("worker") as worker:
        _wait_for_line(front, "Postgres can't be reached, requests get 503 until it can be: ")
        _wait_for_line(front, "pumice.web listening at=")
        _wait_for_line(worker, "Postgres can't be reached, waiting for it: ")
        assert outage.stack.agent("echo", front.url).chat("hello").status_code == 503
        outage.postgres.on()
        worker.wait_for(lambda: outage.stack.query("select id from workers where name like %s", f"%:{worker.pid}"))
        wait_until(lambda: outage.stack.agent("echo", front.url).chat("hello").status_code == 200, 20, "a reply")
        assert worker.output.count("waiting for it") == 1
        outage.stack.close_clients(front.url)


def test_a_worker_that_waits_can_be_stopped(commands):
    away = "postgresql://u@127.0.0.1:1/none"
    process = commands.start("worker", DATABASE_URL=away)
    assert process.stderr
    assert "waiting for it" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == -signal.SIGTERM
    process.communicate()


def _wait_for_line(process: Process, text: str) -> None:
    wait_until(lambda: text in process.output, 60, f"{text!r}; it said:\n{process.output}")
