"""The embedded servers, as `pumice dev` and the tests use them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from pumice.dev import datadir
from pumice.dev.children import Child, Guard, stop_all
from pumice.dev.errors import DevError
from pumice.dev.launch import Launch
from pumice.dev.ports import any_free, is_free
from pumice.dev.postgres import Postgres
from pumice.dev.servers import running, temporary_postgres
from pumice.dev.valkey import Valkey
from tests.support.waiting import wait_until

PARENT = """
import sys, time
from pathlib import Path
from pumice.dev.postgres import Postgres
from pumice.dev.servers import running
with running(Postgres(Path(sys.argv[1]), int(sys.argv[2]))) as server:
    print("up", flush=True)
    time.sleep(600)
"""


def query(url, statement):
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(statement)
        return next(cursor)[0] if cursor.description else None


def postmaster(cluster):
    return psutil.Process(int((cluster / "postmaster.pid").read_text().split()[0]))


def test_postgres_is_durable_and_keeps_its_data(open_folder):
    server = Postgres(open_folder / "postgres", any_free())
    with running(server):
        server.make_database("shop")
        server.make_database("shop")
        query(server.url("shop"), "create table orders as select 7 as n")
        assert query(server.url(), "show fsync") == "on"
        assert query(server.url(), "show synchronous_commit") == "on"
        assert query(server.url(), "show max_connections") == "200"
    with running(server):
        assert query(server.url("shop"), "select n from orders") == 7


@pytest.mark.skipif(os.geteuid() != 0, reason="only root changes accounts")
def test_under_root_postgres_runs_as_another_account_and_changes_no_modes(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    server = Postgres(closed / "postgres", any_free())
    with running(server):
        assert postmaster(server.folder).uids().real != 0
    assert closed.stat().st_mode & 0o777 == 0o700
    for part in sorted(server.folder.resolve().rglob("*"), reverse=True):
        part.rmdir() if part.is_dir() and not part.is_symlink() else part.unlink()
    server.folder.resolve().rmdir()


def test_nothing_is_left_when_the_parent_is_killed(open_folder):
    command = [sys.executable, "-c", PARENT, str(open_folder / "postgres"), str(any_free())]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == b"up\n"
        server = postmaster(open_folder / "postgres")
        parent.kill()
    wait_until(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE, what="the end of Postgres")


def test_a_server_left_on_the_cluster_is_replaced(open_folder):
    first = Postgres(open_folder / "postgres", any_free())
    left = first.launch().start()
    wait_until(first.ready)
    with running(Postgres(first.folder, any_free())) as server:
        assert query(server.url(), "select 1") == 1
        assert left.wait(10) == 0
    assert left.stdout
    left.stdout.close()


def test_a_server_that_does_not_start_tells_why(open_folder):
    with temporary_postgres() as other:
        taken = Postgres(open_folder / "postgres", other.port)
        with pytest.raises(DevError, match=r"postgres didn't start:\n(.*\n)*.*Address already in use"), running(taken):
            pass


def test_valkey_keeps_nothing(open_folder):
    server = Valkey(open_folder / "redis", any_free())
    for _ in range(2):
        with running(server), redis.Redis.from_url(server.url()) as client:
            assert client.dbsize() == 0
            client.set("key", "value")
    assert list(server.folder.iterdir()) == []


def test_a_data_directory_keeps_its_ports_while_they_are_free(open_folder):
    with datadir.use(open_folder) as data:
        first = data.port("redis")
        assert is_free(first)
        assert data.port("redis") == first
        with running(Valkey(open_folder / "redis", first)):
            assert data.port("redis") != first


def test_a_data_directory_has_one_user_at_a_time(open_folder):
    with datadir.use(open_folder), pytest.raises(DevError, match=f"process {os.getpid()}"), datadir.use(open_folder):
        pass
    with datadir.use(open_folder) as data:
        assert data.path == open_folder


def test_a_child_that_ignores_its_stop_signal_is_killed_with_its_group():
    ignoring = "trap '' TERM; sleep 600 & while true; do sleep 600; done"
    launch = Launch("stubborn", ["/bin/sh", "-c", ignoring], Path("/"), grace=0.2)
    with Guard() as guard:
        child = Child("stubborn", lambda: launch, guard, lambda _name, stream: stream.close())
        child.start()
        assert child.pid
        group = wait_until(lambda: psutil.Process(child.pid).children())
        stop_all([child])
    assert child.pid is None
    wait_until(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in group))


def test_the_first_signal_asks(open_folder):
    mark = open_folder / "asked"
    script = f"trap 'touch {mark}; exit 3' INT; while true; do sleep 0.05; done"
    launch = Launch("polite", ["/bin/sh", "-c", script], Path("/"), stop=signal.SIGINT)
    with Guard() as guard:
        child = Child("polite", lambda: launch, guard, lambda _name, stream: stream.close())
        child.start()
        wait_until(lambda: psutil.Process(child.pid).children())
        child.ask_to_stop()
        assert wait_until(child.ended) == 3
    assert mark.exists()
