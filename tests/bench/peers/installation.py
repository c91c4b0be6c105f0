"""Restate in a folder outside of the project: its server from npm, its Python SDK in an environment of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SERVER = "@restatedev/restate-server"
SERVER_VERSION = "1.7.12"
SDK = {"restate-sdk": "1.3.0", "hypercorn": "0.18.0", "h2": "4.4.1"}
"""What runs a service: the SDK, and a server that speaks HTTP/2."""

HYPERCORN_SETTINGS = Path(__file__).with_name("hypercorn.toml")

UNTRACKED = {"DO_NOT_TRACK": "1", "SCARF_ANALYTICS": "false"}


class Installation:
    """One folder: `restate/` holds the server, `sdk/` the Python environment. Neither is a dependency of Pumice."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.resolve()

    @property
    def server(self) -> Path:
        """The server's program. Raises SystemExit when npm has installed none that runs on this kind of machine."""
        found = sorted(self._modules.glob(f"{SERVER}-*/bin/restate-server"))
        if not found:
            raise SystemExit(f"{SERVER} has no program for this machine in {self._modules}")
        return found[0]

    @property
    def python(self) -> Path:
        """The interpreter that runs the service."""
        return self.directory / "sdk" / "bin" / "python"

    def missing(self) -> list[list[str]]:
        """Return the commands that install what is not there in its exact version."""
        commands = []
        if not self._has_server():
            target = f"{SERVER}@{SERVER_VERSION}"
            quiet = ["--ignore-scripts", "--no-audit", "--no-fund"]
            commands.append(["npm", "install", "--prefix", str(self.directory / "restate"), *quiet, target])
        if not self.python.exists():
            commands.append([sys.executable, "-m", "venv", str(self.directory / "sdk")])
        if not self._has_sdk():
            pins = [f"{name}=={version}" for name, version in SDK.items()]
            commands.append([str(self.python), "-m", "pip", "install", "--quiet", "--only-binary=:all:", *pins])
        return commands

    def complete(self) -> None:
        """Install what is missing. Raises SystemExit where npm is needed and not there, or a command fails."""
        commands = self.missing()
        if any(command[0] == "npm" for command in commands) and not shutil.which("npm"):
            raise SystemExit(
                f"npm is not on PATH, and Restate's server is installed with it. Install Node.js, or run this where "
                f"npm is, and copy {self.directory / 'restate'}: npm install --prefix restate {SERVER}@{SERVER_VERSION}"
            )
        self.directory.mkdir(parents=True, exist_ok=True)
        for command in commands:
            _run(command)

    @property
    def _modules(self) -> Path:
        return self.directory / "restate" / "node_modules"

    def _has_server(self) -> bool:
        description = self._modules / SERVER / "package.json"
        return description.exists() and f'"version": "{SERVER_VERSION}"' in description.read_text()

    def _has_sdk(self) -> bool:
        packages = self.directory / "sdk" / "lib"
        return all(
            any(packages.glob(f"python3*/site-packages/{name.replace('-', '_')}-{version}.dist-info"))
            for name, version in SDK.items()
        )


def _run(command: Sequence[str]) -> None:
    print(f"$ {' '.join(command)}", file=sys.stderr, flush=True)
    done = subprocess.run(command, env={**os.environ, **UNTRACKED}, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} ended with {done.returncode}: the error is above")
