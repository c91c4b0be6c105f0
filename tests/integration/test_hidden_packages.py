"""A module of the author's with the name of a package that Pumice needs: one line says so, wherever it would be met."""

import pytest

from pumice.dev.servers import temporary_folder
from tests.support.commands import Commands, ended
from tests.support.processes import free_port, started_dev

AGENT = "from pumice import Agent\n\n\nclass Desk(Agent):\n    def reply(self, messages):\n        return 'hi'\n"
AGENTS = "desk=agents:Desk"
HARMLESS = ("celeryconfig.py", "gunicorn.conf.py", "tasks.py", "settings.py", "iniconfig.py", "redis/notes.txt")


@pytest.fixture
def author():
    """An author's folder with an agent in it."""
    with temporary_folder() as folder:
        (folder / "agents.py").write_text(AGENT)
        yield folder


@pytest.fixture
def commands(author, database_url, redis_url):
    servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "HOST": "127.0.0.1", "PORT": str(free_port())}
    return Commands(author, AGENTS=AGENTS, **servers)


def write(folder, name):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("raise RuntimeError('imported in place of the package')\n")


@pytest.mark.parametrize(
    ("file", "package"), [("celery.py", "celery"), ("redis/__init__.py", "redis"), ("jwt.py", "jwt")]
)
def test_each_process_ends_with_a_line(commands, file, package):
    write(commands.folder, file)
    line = f"{file}: hides the package {package}, which Pumice needs: give it another name"
    done = ended({name: commands.start(name, PYTHONPATH="") for name in ("web", "worker", "beat")})
    assert done == dict.fromkeys(done, (1, "", f"pumice: {line}\n"))
    checked = commands.run("check", PYTHONPATH="")
    assert (checked.returncode, f"wrong AGENTS: {line}" in checked.stdout.splitlines()) == (1, True), checked.stdout


@pytest.mark.parametrize(("file", "package"), [("celery.py", "celery"), ("pydantic.py", "pydantic")])
def test_so_does_dev_which_looks_there_first(author, file, package):
    write(author, file)
    with started_dev(author / "data", "--agents", AGENTS, "--port", str(free_port()), cwd=author) as dev:
        assert dev.wait_ended() == 1
    line = f"{file}: hides the package {package}, which Pumice needs: give it another name"
    assert [one for one in dev.output.splitlines() if "hides" in one or "Error" in one] == [f"pumice: {line}"]


def test_other_names_are_free(commands):
    for name in HARMLESS:
        write(commands.folder, name)
    checked = commands.run("check", PYTHONPATH="")
    assert checked.returncode == 0, checked.stdout + checked.stderr
