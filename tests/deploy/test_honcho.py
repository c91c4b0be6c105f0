"""`honcho start` with the shipped Procfile, on a database without a schema."""

import os
import signal
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from pumice.dev.ports import HOST, any_free
from pumice.dev.procfile import answers
from pumice.sessions.api_keys import create_key
from tests.deploy.agents import AGENTS
from tests.deploy.daemons import Daemon, running
from tests.deploy.journey import try_everything
from tests.support.client import AgentClient
from tests.support.databases import database
from tests.support.processes import OWN, ROOT
from tests.support.waiting import wait_until

pytestmark = pytest.mark.deploy
HONCHO = Path(sys.executable).with_name("honcho")


@pytest.fixture
def empty(postgres_server):
    """The address of a database without a schema."""
    with database(postgres_server.url("postgres")) as name:
        yield postgres_server.url(name)


@contextmanager
def honcho(folder, ready, **settings):
    """`honcho start`, once `ready` says so. What it prints is in `folder`/output."""
    own = {name: value for name, value in os.environ.items() if name not in OWN}
    path = f"{HONCHO.parent}:{os.environ['PATH']}"
    environ = {**own, "HOST": HOST, "AGENTS": AGENTS, **settings, "PATH": path, "PYTHONPATH": str(ROOT)}
    start = ["/bin/sh", "-c", f"exec {HONCHO} start --no-colour >{folder / 'output'} 2>&1"]
    with running(Daemon("honcho", start, ROOT, ready, environ)) as child:
        yield child


def test_it_migrates_serves_and_stops(empty, redis_url, open_folder, gates):
    port = any_free()
    url = f"http://{HOST}:{port}"
    settings = {"DATABASE_URL": empty, "REDIS_URL": redis_url, "PORT": str(port), "FAULT_GATES": str(gates.folder)}
    with honcho(open_folder, lambda: answers(f"{url}/readyz"), **settings, SHUTDOWN_TIMEOUT="3") as child:
        keys = create_key(empty, "desk", "public"), create_key(empty, "desk", "secret")
        desk = AgentClient(url, "desk", *keys)
        try_everything(desk)
        desk.http.close()
        os.kill(child.pid, signal.SIGTERM)
        wait_until(lambda: child.ended() is not None, 20, "honcho's end")
    said = (open_folder / "output").read_text()
    assert "Traceback" not in said, said
    assert "SIGKILL" not in said, said


def test_a_release_that_fails_ends_everything(redis_url, open_folder):
    settings = {"DATABASE_URL": f"postgresql://nobody@{HOST}:1/none", "REDIS_URL": redis_url, "PORT": "1"}
    output = open_folder / "output"
    with honcho(open_folder, lambda: "release.1 stopped (rc=1)" in output.read_text(), **settings) as child:
        wait_until(lambda: child.ended() is not None, 20, "honcho's end")
