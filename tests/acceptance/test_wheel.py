"""The wheel, beside an author's own modules whose names once clashed with Pumice's."""

import json
import zipfile
from pathlib import PurePosixPath

import pytest

from pumice.dev.procfile import answers
from pumice.dev.servers import temporary_folder
from pumice.sessions.api_keys import create_key
from tests.support.client import AgentClient
from tests.support.processes import free_port, started_dev
from tests.support.waiting import wait_until

pytestmark = pytest.mark.faults

AGENTS = "desk=agents:Desk"
EXECUTED = "migrations-env-was-executed"
AUTHORS = {
    "app.py": "raise SystemExit('an app.py that is hidden by app/ was imported')",
    "app/__init__.py": "GREETING = 'Hello from app'",
    "workers.py": "PLACES = 3",
    "migrations/__init__.py": "",
    "migrations/env.py": f"open({EXECUTED!r}, 'w').close()",
    "agents.py": """
import pathlib

import app, migrations, workers
from pumice import Agent, job

class Desk(Agent):
    def reply(self, messages):
        return f"{app.GREETING}, {workers.PLACES} places, {len(self.messages)} messages"

    @job("* * * * *")
    @staticmethod
    def tick():
        pathlib.Path("ticked").touch()
""",
    "test_agents.py": """
from agents import Desk

def test_desk(pumice_session):
    assert pumice_session(Desk, "ada").chat("hi").startswith("Hello from app, 3 places")
""",
}
WHERE = """
import json, pumice, pumice_workers, app
print(json.dumps([module.__file__ for module in (pumice, pumice_workers, app)]))
"""


@pytest.fixture
def author(installation):
    """The folder of an author's project. Whatever ran in it, it did not run the author's own migrations."""
    with temporary_folder() as folder:
        for name, text in AUTHORS.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        yield folder
        assert not (folder / EXECUTED).exists()


def test_it_holds_two_packages_and_the_migrations(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    (info,) = {top for name in names if (top := PurePosixPath(name).parts[0]).endswith(".dist-info")}
    assert {PurePosixPath(name).parts[0] for name in names} == {"pumice", "pumice_workers", info}
    wanted = {"pumice/py.typed", "pumice_workers/py.typed", "pumice/migrations/env.py", f"{info}/licenses/LICENSE"}
    assert wanted <= set(names)
    assert any(name.startswith("pumice/migrations/versions/m0001_") for name in names)
    assert {"pumice/cli/templates/project/.env.tmpl", "pumice/cli/templates/project/.gitignore.tmpl"} <= set(names)
    modules = [PurePosixPath(name).name for name in names if not name.endswith(".tmpl")]
    assert not [name for name in modules if name.startswith(("test_", "conftest")) or name.endswith(".pyc")]


def test_pumice_is_imported_from_the_wheel_and_the_rest_from_the_author(installation, author):
    (author / "where.py").write_text(WHERE)
    done = installation.run("python where.py", author)
    assert done.returncode == 0, done.stderr
    packages = installation.packages
    assert json.loads(done.stdout) == [
        str(packages / "pumice" / "__init__.py"),
        str(packages / "pumice_workers" / "__init__.py"),
        str(author / "app" / "__init__.py"),
    ]


@pytest.mark.slow
@pytest.mark.timeout(240)  # beat's first tick is due at the next full minute
def test_each_process_runs(installation, author, redis_url, empty_database):
    environ = {"DATABASE_URL": empty_database, "REDIS_URL": redis_url, "AGENTS": AGENTS, "PORT": str(free_port())}
    upgraded = installation.run("pumice db upgrade", author, **environ)
    assert "applied 0001" in upgraded.stdout, upgraded.stdout + upgraded.stderr
    checked = installation.run("pumice check", author, **environ)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    keys = [create_key(empty_database, "desk", kind) for kind in ("public", "secret")]
    desk = AgentClient(f"http://127.0.0.1:{environ['PORT']}", "desk", *keys)
    with (
        installation.running("pumice web", author, environ) as web,
        installation.running("pumice worker", author, environ) as worker,
        installation.running("pumice beat", author, environ) as beat,
    ):
        wait_until(lambda: answers(f"{desk.url}/readyz"), 60, f"/readyz; see {web}")
        assert desk.reply("hi", "ada") == "Hello from app, 3 places, 1 messages"
        assert "worker_started" in worker.read_text()
        wait_until((author / "ticked").exists, 75, f"the minute's job; beat said {beat.read_text()}")
        desk.http.close()


@pytest.mark.slow
def test_pumice_dev_runs(installation, author):
    options = ("--agents", AGENTS, "--port", str(free_port()))
    environ, python = installation.environ(PYTHONPATH=""), str(installation.python)
    with started_dev(author / "data", *options, cwd=author, environ=environ, python=python) as dev:
        info = dev.wait_ready(90)
        keys = info["agents"]["desk"]
        desk = AgentClient(info["url"], "desk", keys["publicKey"], keys["secretKey"])
        assert desk.reply("hi", "ada") == "Hello from app, 3 places, 1 messages"
        desk.http.close()
        assert dev.stop() == 0


@pytest.mark.slow
def test_the_authors_tests_run(installation, author):
    done = installation.run("python -m pytest", author)
    assert "1 passed" in done.stdout, done.stdout + done.stderr
