"""`pumice dev`, started as a newcomer or another tool starts it."""

import os
import re
import signal
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
import redis

from pumice.dev.ports import is_free
from pumice.dev.procfile import answers
from pumice.dev.servers import temporary_folder
from tests.support.processes import free_port, running_dev, started_dev
from tests.support.waiting import wait_until

AGENT = """
from pumice import Agent, body, hook

class Shop(Agent):
    class State(Agent.State):
        orders: int = 0

    def reply(self, messages):
        return f"{self.state.orders} orders"

    @hook("order", session=body("customer"))
    def order(self, request):
        self.state.orders += 1
        return {"orders": self.state.orders}
"""
SERVED = "shop=shop:Shop"


@pytest.fixture(scope="module")
def author():
    """The folder of an author who has one module of agents."""
    with temporary_folder() as folder:
        (folder / "shop.py").write_text(AGENT)
        yield folder


@pytest.fixture(scope="module")
def dev(author):
    with running_dev(author / "data", SERVED, cwd=author) as process:
        yield process


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def port_of(url):
    return urlsplit(url).port


def test_dev_json_says_where_everything_is(dev):
    info = dev.info
    assert set(info) == {"url", "databaseUrl", "redisUrl", "agents", "pids"}
    assert answers(f"{info['url']}/readyz")
    with psycopg.connect(info["databaseUrl"]) as connection:
        assert connection.execute("select count(*) from sessions").fetchone() is not None
    with redis.Redis.from_url(info["redisUrl"]) as client:
        assert client.ping()
    assert set(info["agents"]) == {"shop"}
    assert set(info["agents"]["shop"]) == {"publicKey", "secretKey"}
    assert (dev.data / "dev.json").stat().st_mode & 0o777 == 0o600


def test_its_pids_are_the_processes_themselves(dev):
    pids = dev.info["pids"]
    assert set(pids) == {"web", "worker", "beat", "postgres", "redis"}
    assert {psutil.Process(pid).ppid() for pid in pids.values()} == {dev.pid}
    commands = {name: " ".join(psutil.Process(pid).cmdline()) for name, pid in pids.items()}
    programs = {"web": "gunicorn", "worker": "worker", "beat": "beat", "postgres": "postgres", "redis": "valkey"}
    assert all(programs[name] in command for name, command in commands.items())


def test_it_prints_commands_to_paste(dev):
    info = dev.info
    wait_until(lambda: "hooks/order" in dev.output)
    for part in (info["url"], *info["agents"]["shop"].values(), "text/event-stream", "wscat -c", '{"customer":"demo"}'):
        assert part in dev.output
    assert "\x1b[" not in dev.output
    wait_until(lambda: re.search(r"^worker +\| ", dev.output, re.MULTILINE), 60, "a line of the worker")


@pytest.mark.parametrize("name", ["worker", "redis", "postgres"])
def test_what_dies_is_started_again(dev, name):
    before = dev.info["pids"][name]
    os.kill(before, signal.SIGKILL)
    after = wait_until(lambda: (pid := dev.info["pids"][name]) and pid != before and pid, 20, f"a new {name}")
    assert alive(after)
    assert f"{name} ended (exit code -9)" in dev.output
    wait_until(lambda: answers(f"{dev.info['url']}/readyz"), 20, "/readyz")


def test_a_stop_leaves_nothing_and_a_restart_finds_everything(author):
    with running_dev(author / "kept", SERVED, cwd=author) as first:
        before, processes = first.info, first.family()
        with psycopg.connect(before["databaseUrl"]) as connection:
            connection.execute("create table kept as select 7 as n")
        assert first.stop() == 0
    assert not any(alive(process.pid) for process in processes)
    assert not (author / "kept" / "dev.json").exists()
    assert all(is_free(port_of(before[name])) for name in ("databaseUrl", "redisUrl"))
    with running_dev(author / "kept", SERVED, cwd=author) as second:
        assert {name: second.info[name] for name in ("databaseUrl", "redisUrl", "agents")} == {
            name: before[name] for name in ("databaseUrl", "redisUrl", "agents")
        }
        with psycopg.connect(second.info["databaseUrl"]) as connection:
            assert connection.execute("select n from kept").fetchone() == (7,)
        assert second.stop(signal.SIGINT) == 0


def test_nothing_is_left_when_it_is_killed_and_the_next_start_waits_for_that(author):
    with running_dev(author / "killed", SERVED, cwd=author) as first:
        before, processes = first.info, first.family()
        assert first.stop(signal.SIGKILL) == -signal.SIGKILL
        with running_dev(author / "killed", SERVED, cwd=author) as second:
            assert not any(alive(process.pid) for process in processes)
            assert second.info["databaseUrl"] == before["databaseUrl"]
            assert second.info["agents"] == before["agents"]


def test_servers_that_the_environment_names_are_used(dev, author):
    named = {"DATABASE_URL": dev.info["databaseUrl"], "REDIS_URL": dev.info["redisUrl"]}
    options = ("--agents", SERVED, "--port", str(free_port()), "--no-reload")
    with started_dev(author / "named", *options, cwd=author, environ=named) as process:
        info = process.wait_ready()
        assert (info["databaseUrl"], info["redisUrl"]) == (named["DATABASE_URL"], named["REDIS_URL"])
        assert (info["pids"]["postgres"], info["pids"]["redis"]) == (None, None)
        assert not (Path(author) / "named" / "postgres").exists()
