"""What bin/ installs is what the lock says, whatever was released since: tried against an index of newer versions."""

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from tests.support.locks import BUILD, DEVELOPMENT, PRODUCTION, ROOT, Locked, read_lock
from tests.support.stub_index import StubIndex

BARE_PYTHON = getattr(sys, "_base_executable", sys.executable)
"""The Python below the environment of these tests, with the pip that came with it."""

IMPORT_ALL = """
import pkgutil, sys
import pumice, pumice_workers

absent = set(sys.argv[1:])

class Absent:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in absent:
            raise ModuleNotFoundError(f"no module {name}", name=name)

# For development, or of an extra; migrations are run, not imported.
elsewhere = (
    "pumice.dev", "pumice.testing", "pumice.agents.recorded_model", "pumice.agents.transcript", "pumice.migrations",
)
sys.meta_path.insert(0, Absent)
for package in (pumice, pumice_workers):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.startswith(elsewhere) and not module.name.endswith("__main__"):
            __import__(module.name)
print(*sys.modules)
"""
"""Imports every module of Pumice that a deployment runs, while the packages given as arguments can't be imported."""

SETTINGS = {
    "AGENTS": "desk=examples.orders:OrderDesk",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "REDIS_URL": "redis://127.0.0.1:1/0",
}
NEWER = "9999"
PATH = "/usr/bin:/bin"


class Machine:
    """A machine that reaches a stub index, with an empty environment on it."""

    def __init__(self, folder: Path, environment: Path) -> None:
        self._folder = folder
        self.index = StubIndex(folder / "index")
        self.environment = folder / "environment"
        shutil.copytree(environment, self.environment, symlinks=True)

    def lock(self, packages: list[Locked], name: str = "some.lock") -> Path:
        """A lock of the stubs of `packages`; the index has each of them in its locked version and in a newer one."""
        lines = []
        for one in packages:
            digest = self.index.add(one.name, one.version, one.asks_for())
            self.index.add(one.name, NEWER, one.asks_for())
            lines.append(f"{one.requirement} --hash=sha256:{digest}\n")
        path = self._folder / name
        path.write_text("".join(lines))
        return path

    def shell(self, command: str, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
        """Run a command line of bin/lib.sh's functions."""
        script = f'root=$1; shift; . "$root/bin/lib.sh"; {command}'
        environ = {"PATH": PATH, "HOME": str(self._folder), **self.index.environ()}
        return subprocess.run(
            ["/bin/sh", "-euc", script, "sh", str(ROOT), *map(str, arguments)],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )

    def installed(self) -> dict[str, str]:
        """What is installed in the environment, but for what comes with a Python."""
        (site,) = self.environment.glob("lib/python*/site-packages")
        found = {one.metadata["Name"]: one.version for one in metadata.distributions(path=[str(site)])}
        return {name: version for name, version in found.items() if name not in {"pip", "setuptools"}}


@pytest.fixture(scope="module")
def empty_environment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("empty") / "environment"
    subprocess.run([BARE_PYTHON, "-m", "venv", folder], check=True, timeout=100)
    return folder


@pytest.fixture
def machine(tmp_path, empty_environment):
    return Machine(tmp_path, empty_environment)


@pytest.fixture(params=["install_with_pip", "install_with_uv"])
def installer(request, machine):
    """The name of one of the two functions of bin/lib.sh that install a lock."""
    if request.param == "install_with_uv":
        uv = ROOT / ".venv" / "uv"
        if not uv.exists():
            pytest.skip("there is no .venv/uv: bin/test makes it, where there is a uv for this machine")
        (machine.environment / "uv").symlink_to(uv)
    return request.param


def here(path):
    return [one for one in read_lock(path).values() if one.wanted_here()]


def test_newer_releases_change_nothing(machine, installer):
    packages = here(DEVELOPMENT)
    assert sum(bool(one.asks_for()) for one in packages) > 30, "the stubs ask for what the real packages ask for"
    done = machine.shell(f'{installer} "$1" "$2"', machine.environment, machine.lock(packages))
    assert done.returncode == 0, done.stderr
    assert machine.installed() == {one.name: one.version for one in packages}


def test_nor_do_they_where_a_package_asks_for_anothers_extra(machine, installer):
    asking = machine.index.add("asking", "1", ["asked[more]>=1"])
    asked = machine.index.add("asked", "1")
    machine.index.add("asked", NEWER)
    lock = machine.environment / "asking.lock"
    lock.write_text(f"asked==1 --hash=sha256:{asked}\nasking==1 --hash=sha256:{asking}\n")
    done = machine.shell(f'{installer} "$1" "$2"', machine.environment, lock)
    assert done.returncode == 0, done.stderr
    assert machine.installed() == {"asked": "1", "asking": "1"}


def test_a_file_with_another_hash_is_refused(machine, installer):
    lock = machine.lock(here(BUILD))
    lock.write_text(lock.read_text()[:-9] + "00000000\n")
    done = machine.shell(f'{installer} "$1" "$2"', machine.environment, lock)
    assert done.returncode == 1
    assert "hash" in done.stderr.lower()


def test_a_configured_index_is_left_to_pip_which_says_how_far_it_is(machine):
    packages = here(BUILD)
    done = machine.shell('install_locked "$1" "$2"', machine.environment, machine.lock(packages))
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert lines[0] == "pumice: fetching and installing the packages of some.lock with pip (a minute or two)"
    files = [f"{one.name.replace('-', '_')}-{one.version}-py3-none-any.whl" for one in packages]
    told = [f"pumice: {number} of {len(files)}: {name}" for number, name in enumerate(files, 1)]
    assert lines[1:] == [*told, "pumice: installing them"]
    assert done.stdout == ""


def test_what_heroku_installs_needs_no_option_that_a_requirements_file_cant_have(machine):
    # Heroku's build runs `pip install -r requirements.txt`, which resolves what the packages ask for.
    content = (ROOT / "requirements.txt").read_text()
    assert [line for line in content.splitlines() if line.startswith("-r")] == [
        "-r requirements.lock",
        "-r bin/build.lock",
    ]
    production = machine.lock(here(PRODUCTION), "requirements.lock")
    (production.parent / "bin").mkdir()
    machine.lock(here(BUILD), "bin/build.lock")
    (production.parent / "requirements.txt").write_text(content)
    done = machine.shell(
        '"$1/bin/python" -m pip install -r "$2"', machine.environment, production.with_name("requirements.txt")
    )
    assert done.returncode == 0, done.stderr
    assert machine.installed() == {one.name: one.version for one in (*here(PRODUCTION), *here(BUILD))}


def test_a_python_that_stands_for_nothing_is_passed_over(machine, tmp_path):
    stubs = tmp_path / "shims"
    stubs.mkdir()
    for name in ("python3.13", "python3.12", "python3.11", "python3"):
        (stubs / name).write_text("#!/bin/sh\necho 'not installed' >&2\nexit 127\n")
        (stubs / name).chmod(0o755)
    real = tmp_path / "real"
    real.mkdir()
    (real / "python3").symlink_to(BARE_PYTHON)
    done = machine.shell('PATH=$1:$2:$PATH; python_on_path python3 && "$(find_python)" -m venv --help', stubs, real)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert os.path.realpath(done.stdout.splitlines()[0]) == os.path.realpath(BARE_PYTHON)


def test_without_a_python_one_line_says_what_to_do(machine, tmp_path):
    done = machine.shell("PATH=$1; find_python", tmp_path)
    assert done.returncode == 1
    assert "PUMICE_PYTHON=/path/to/python3" in done.stderr
    done = machine.shell("PUMICE_PYTHON=$1/none; find_python", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"pumice: PUMICE_PYTHON is {tmp_path}/none, which is no Python 3.11 or newer with venv. "
    )
    assert done.stderr.count("\n") == 1


def test_what_serves_agents_needs_nothing_but_the_production_lock():
    production = {canonicalize_name(name) for name in (*read_lock(PRODUCTION), "pumice")}
    absent = [
        module
        for module, owners in metadata.packages_distributions().items()
        if production.isdisjoint(map(canonicalize_name, owners))
    ]
    done = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *absent],
        env={**os.environ, **SETTINGS},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert {"pumice.web.factory", "pumice_workers.celery_app", "kombu.transport.redis"} <= set(done.stdout.split())
