"""`pumice new` from the installed wheel: the project's own two commands work, and mistakes are told in a line."""

import os
import stat

import pytest
from packaging.requirements import Requirement

from pumice.dev.procfile import SERVICES
from pumice.dev.servers import temporary_folder
from tests.support.client import AgentClient
from tests.support.commands import Commands
from tests.support.processes import free_port, started_dev

FILES = {
    *(".env", ".env.example", ".gitignore", "Procfile", "README.md", "agent.py", "test_agent.py"),
    *("requirements.txt", "requirements-dev.txt"),
}


@pytest.fixture
def project(installation):
    """A new project, which the wheel's command made."""
    with temporary_folder() as folder:
        made = installation.run("pumice new my-notes", folder)
        assert made.returncode == 0, made.stderr
        yield folder / "my-notes"


@pytest.fixture
def commands(tmp_path):
    return Commands(tmp_path)


def test_its_files(project):
    assert {path.name for path in project.iterdir()} == FILES
    assert stat.S_IMODE((project / ".env").stat().st_mode) == 0o600
    for name in (".env", ".env.example"):
        assert "AGENTS=my-notes=agent:Notes" in (project / name).read_text().splitlines()
    processes = [line.partition(":")[0] for line in (project / "Procfile").read_text().splitlines()]
    assert processes == [*SERVICES, "release"]
    assert len((project / "README.md").read_text().splitlines()) <= 10


def test_it_asks_for_this_version_or_a_compatible_one(project, installation):
    wanted = Requirement((project / "requirements.txt").read_text().strip())
    version = installation.run("pumice --version", project).stdout.split()[-1]
    assert wanted.name == "pumice"
    assert wanted.specifier.contains(version)
    assert not wanted.specifier.contains("99")


@pytest.mark.slow
def test_its_two_commands_work(project, installation):
    tested = installation.run("pytest", project)
    assert "2 passed" in tested.stdout, tested.stdout + tested.stderr
    environ = installation.environ(PYTHONPATH="", PORT=str(free_port()))
    with started_dev(project / ".pumice", cwd=project, environ=environ, python=str(installation.python)) as dev:
        info = dev.wait_ready(90)
        keys = info["agents"]["my-notes"]
        notes = AgentClient(info["url"], "my-notes", keys["publicKey"], keys["secretKey"])
        assert notes.hook("note", json={"owner": "ada", "text": "Buy tea"}).json() == {"notes": 1}
        assert notes.reply("Buy milk", "ada") == "I have 2 of your notes."
        notes.http.close()
        assert dev.stop() == 0


@pytest.mark.parametrize("name", ["", "7up", "two words", "../up", "a,b", "a=b", "n" * 64, "é"])
def test_a_name_that_could_not_be_an_agents_id_is_refused(commands, name):
    done = commands.call("new", "--", name)
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(f"pumice: {name!r} can't be a project's name: begin with a letter")
    assert not list(commands.folder.iterdir())


def test_a_folder_that_holds_something_is_left_alone(commands):
    (commands.folder / "shop").mkdir()
    (commands.folder / "shop" / "mine.py").touch()
    done = commands.call("new", "shop")
    assert done.exit_code == 1
    assert done.stderr == "pumice: shop is not empty (it holds mine.py): choose another NAME or --dir\n"
    assert [path.name for path in (commands.folder / "shop").iterdir()] == ["mine.py"]


def test_another_folder_can_be_named_and_may_be_a_repository_already(commands):
    (commands.folder / ".git").mkdir()
    done = commands.call("new", "shop", "--dir", ".")
    assert done.exit_code == 0, done.stderr
    assert {path.name for path in commands.folder.iterdir()} == {*FILES, ".git"}


def test_a_file_in_the_way_is_told(commands):
    (commands.folder / "shop").touch()
    done = commands.call("new", "shop")
    assert (done.exit_code, done.stderr) == (1, "pumice: shop can't be made: File exists\n")


def test_a_folder_that_may_not_be_written_is_told(commands):
    done = commands.call("new", "shop", "--dir", "/proc/shop" if os.geteuid() == 0 else "/shop")
    assert done.exit_code == 1
    assert done.stderr.startswith(("pumice: /proc/shop can't be made: ", "pumice: /shop can't be made: "))
    assert done.stderr.count("\n") == 1
