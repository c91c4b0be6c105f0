"""Each mistake with which `pumice dev` can't start: one line that says what to do, exit status 1, nothing started."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from pumice.dev.ports import listener
from pumice.dev.servers import temporary_folder
from tests.support.processes import free_port, started_dev

AGENT = """
from pumice import Agent, job

class Shop(Agent):
    def reply(self, messages):
        return "hello"
"""
SERVED = "shop=shop:Shop"


@pytest.fixture
def folder():
    with temporary_folder() as place:
        (place / "shop.py").write_text(AGENT)
        yield place


@contextmanager
def taken_port(folder):
    with listener(0) as holder:
        yield ["--port", str(holder.getsockname()[1])]


@contextmanager
def held_lock(folder):
    """Another instance, as far as the lock can tell."""
    (folder / "data").mkdir()
    with (folder / "data" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write(str(os.getpid()))
        lock.flush()
        yield []


def with_file(name, content, *arguments):
    @contextmanager
    def prepared(folder):
        (folder / name).write_text(content)
        yield list(arguments)

    return prepared


def with_arguments(*arguments):
    @contextmanager
    def prepared(folder):
        yield list(arguments)

    return prepared


MISTAKES = {
    "syntax": (with_file("shop.py", "def (\n"), "pumice: shop.py:1: SyntaxError: invalid syntax"),
    "import": (with_file("shop.py", "\nimport nowhere\n"), "pumice: shop.py:2: ModuleNotFoundError: No module named"),
    "cron": (
        with_file("shop.py", AGENT + "\n    @job('61 * * * *')\n    def nightly(self): ...\n"),
        "pumice: shop.py:8: Shop.nightly: '61 * * * *' is no cron expression",
    ),
    "renamed": (
        with_file("shop.py", AGENT.replace("Shop", "Store")),
        "pumice: AGENTS 'shop=shop:Shop': shop has no agent class Shop",
    ),
    "no module": (
        with_arguments("--agents", "shop=store:Shop"),
        "pumice: AGENTS 'shop=store:Shop': store can't be imported: ModuleNotFoundError: No module named 'store'",
    ),
    "ends": (
        with_file("shop.py", "import os\nos._exit(3)\n"),
        "pumice: importing the agents ended Python (exit code 3)",
    ),
    "variable": (with_file("shop.py", "import os\nos.environ['TOKEN']\n"), "pumice: shop.py:2: KeyError: 'TOKEN'"),
    "nothing": (with_arguments("--agents", ""), "pumice: there is nothing to serve: name your agents with"),
    "dotenv": (with_file(".env", "A=1\nB 's3cret\n"), "pumice: .env, line 2: this is no setting: write NAME=value"),
    "setting": (with_file(".env", "LOG_LEVEL=loud\n"), "LOG_LEVEL "),
    "port": (taken_port, "is taken: stop what listens there, or choose another --port."),
    "host": (with_file(".env", "HOST=192.0.2.1\n"), "pumice: HOST is '192.0.2.1', which is no address of this machine"),
    "two": (held_lock, f"already (process {os.getpid()})."),
    "a file": (with_file("data", ""), "data can't be used: "),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line(folder, mistake):
    prepare, line = MISTAKES[mistake]
    with ExitStack() as stack:
        arguments = stack.enter_context(prepare(folder))
        agents = [] if "--agents" in arguments else ["--agents", SERVED]
        process = stack.enter_context(started_dev(folder / "data", *agents, *arguments, cwd=folder))
        assert process.wait_ended() == 1
    told = process.output.splitlines()
    assert any(line in one for one in told)
    assert len(told) == (2 if mistake == "setting" else 1), process.output
    assert "s3cret" not in process.output
    assert not (folder / "data" / "postgres").exists()


@pytest.mark.parametrize(("mode", "kept"), [(0o500, "data"), (0o500, "."), (0o000, "data")])
def test_a_folder_without_rights_is_told(folder, mode, kept):
    """As a user whom modes bind: root runs it without the capabilities that override them."""
    (folder / "data").mkdir(exist_ok=True)
    if kept == ".":
        (folder / "data").rmdir()
    else:
        (folder / "data" / "lock").touch()
    (folder / kept).chmod(mode)
    command = [str(Path(sys.executable).with_name("pumice")), "dev", "--agents", SERVED, "--data-dir", "data"]
    if os.geteuid() == 0:
        if not shutil.which("setpriv"):
            pytest.skip("needs setpriv (util-linux) to run as a root that file modes bind")
        command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    (folder / kept).chmod(0o700)
    assert done.returncode == 1
    assert (done.stdout, done.stderr.count("\n")) == ("", 1)
    assert "can't be used: Permission denied. Give this user rights to it, or use another --data-dir." in done.stderr


def test_a_lock_that_a_killed_one_left_is_no_obstacle(folder):
    options = ("--agents", SERVED, "--port", str(free_port()), "--no-reload")
    with started_dev(folder / "data", *options, cwd=folder) as first:
        first.wait_ready(120)
        killed = first.pid
        first.stop(signal.SIGKILL)
    assert (folder / "data" / "lock").read_text() == str(killed)
    with started_dev(folder / "data", *options, cwd=folder) as second:
        second.wait_ready(120)


def test_an_agent_that_was_renamed_since_the_last_start_is_told(folder):
    for agents, told in (("shop=shop:Shop", False), ("store=shop:Shop", True), ("store=shop:Shop", False)):
        options = ("--agents", agents, "--port", str(free_port()), "--no-reload")
        with started_dev(folder / "data", *options, cwd=folder) as process:
            process.wait_ready(120)
        line = "agent shop is not served any more; its sessions and keys are kept"
        assert (line in process.output) is told
