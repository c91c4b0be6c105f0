"""The `pumice` command as an operator runs it: in a process and a folder of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from pumice.cli import pumice
from tests.support.processes import OWN, python_path

PUMICE = str(Path(sys.executable).with_name("pumice"))


class Commands:
    """Runs commands in `folder`, with these settings and nothing else of this machine's that would change them."""

    def __init__(self, folder: Path, **settings: str) -> None:
        inherited = {name: value for name, value in os.environ.items() if name not in OWN}
        self.folder = folder
        self.environ = {**inherited, "PYTHONPATH": python_path(folder), **settings}

    def start(self, *arguments: str, **settings: str) -> "subprocess.Popen[str]":
        """Start one; its stdout and stderr are separate pipes."""
        return subprocess.Popen(
            [PUMICE, *arguments],
            cwd=self.folder,
            env={**self.environ, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, said: str = "", **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run one to its end; `said` is what it reads."""
        return subprocess.run(
            [PUMICE, *arguments],
            cwd=self.folder,
            env={**self.environ, **settings},
            input=said,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def call(self, *arguments: str, said: str = "", **settings: str) -> Result:
        """Run one within this process, which is quicker; what would be a traceback is raised."""
        environ = {**dict.fromkeys(os.environ), **self.environ, **settings}
        with chdir(self.folder):
            done = CliRunner().invoke(pumice, arguments, input=said, env=environ)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    def json(self, *arguments: str, **settings: str) -> Any:
        """The JSON that one prints, which must succeed."""
        done = self.call(*arguments, "--json", **settings)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


def ended(processes: "Mapping[str, subprocess.Popen[str]]", timeout: float = 60) -> dict[str, tuple[int, str, str]]:
    """How processes ended: status, stdout, stderr. One that has not ended in time fails the test and is killed."""
    found = {}
    try:
        for name, process in processes.items():
            out, err = process.communicate(timeout=timeout)
            found[name] = (process.returncode, out, err)
    finally:
        for process in processes.values():
            process.kill()
            process.wait()
    return found
