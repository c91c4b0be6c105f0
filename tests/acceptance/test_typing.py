"""The public types, as a strict type checker sees them in a project that uses the installed wheel."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.support.processes import ROOT

MODULES = ROOT / "tests" / "typing"


@pytest.fixture
def check(installation, tmp_path):
    """Check a folder's module in a project; returns what mypy prints. It finds Pumice in the installation only."""

    def run(name, folder=MODULES):
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
        options = ["--strict", "--config-file=", "--python-executable", str(installation.python)]
        environ = {name: value for name, value in os.environ.items() if name not in {"MYPYPATH", "PYTHONPATH"}}
        done = subprocess.run(
            [sys.executable, "-m", "mypy", *options, "--cache-dir", str(installation.folder / "mypy"), name],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        return done.stdout + done.stderr

    return run


@pytest.mark.slow
def test_what_can_be_declared_has_the_types_it_was_written_with(check):
    assert check("shop.py") == "Success: no issues found in 1 source file\n"


@pytest.mark.slow
def test_misuse_is_refused(check):
    # Each expected error stands beside its line as `type: ignore[code]`; --strict refuses one that ignores nothing.
    assert check("misuse.py") == "Success: no issues found in 1 source file\n"


@pytest.mark.slow
def test_a_new_project_is_typed(check, installation, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "shop"
    assert installation.run("pumice new shop", folder.parent).returncode == 0
    assert check(".", folder) == "Success: no issues found in 2 source files\n"


def test_the_module_does_what_its_types_say(installation, tmp_path):
    shutil.copy(MODULES / "shop.py", tmp_path / "test_shop.py")
    done = installation.run("pytest -q test_shop.py", tmp_path)
    assert done.returncode == 0, done.stdout
