"""A real `pumice dev`, driven from outside like any other tool would."""

import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import psutil

from pumice.dev.children import Child, Guard
from pumice.dev.launch import Launch
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[2]
OWN = {"AGENTS", "BROKER_URL", "DATABASE_URL", "HOST", "PORT", "REDIS_URL"}
"""Variables that would change what a test starts."""


def python_path(*folders: Path | str) -> str:
    """A PYTHONPATH of these folders, the project's root, and what this process has in its own."""
    inherited = os.environ.get("PYTHONPATH")
    return os.pathsep.join([*(str(one) for one in folders), str(ROOT), *([inherited] if inherited else [])])


class DevProcess:
    """A `pumice dev` that was started."""

    def __init__(self, child: Child, data: Path, lines: list[str]) -> None:
        self._child, self._lines = child, lines
        self.data = data
        self.exit_code: int | None = None

    @property
    def info(self) -> dict[str, Any]:
        """What dev.json says now; empty when there is none."""
        try:
            content: dict[str, Any] = json.loads((self.data / "dev.json").read_text())
        except FileNotFoundError:
            return {}
        return content

    @property
    def output(self) -> str:
        """What it has printed."""
        return "".join(self._lines)

    @property
    def pid(self) -> int:
        assert self._child.pid
        return self._child.pid

    def ended(self) -> bool:
        code = self._child.ended()
        self.exit_code = self.exit_code if code is None else code
        return self._child.pid is None

    def wait_ready(self, timeout: float = 60.0) -> dict[str, Any]:
        """Its dev.json once there is one; fails with its output when it ends before."""
        wait_until(lambda: self.info or self.ended(), timeout, "dev.json")
        assert self.info, f"pumice dev ended with {self.exit_code}:\n{self.output}"
        return self.info

    def wait_ended(self, timeout: float = 60.0) -> int:
        wait_until(self.ended, timeout, f"the end of pumice dev; it printed:\n{self.output}")
        assert self.exit_code is not None
        return self.exit_code

    def family(self) -> list[psutil.Process]:
        """It and all its descendants."""
        itself = psutil.Process(self.pid)
        return [itself, *itself.children(recursive=True)]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send it a signal and return its exit code."""
        os.kill(self.pid, number)
        return self.wait_ended()


@contextmanager
def started_dev(
    data: Path, *arguments: str, cwd: Path = ROOT, environ: dict[str, str] | None = None, python: str = sys.executable
) -> Iterator[DevProcess]:
    """`pumice dev --data-dir DATA ARGUMENTS…` in `cwd`, just started; stopped at the end if it still runs.

    It is the command that is installed beside `python`.
    """
    own = {name: value for name, value in os.environ.items() if name not in OWN}
    command = [str(Path(python).with_name("pumice")), "dev", "--data-dir", str(data), *arguments]
    lines: list[str] = []

    def collect(_name: str, stream: IO[bytes]) -> None:
        lines.extend(line.decode(errors="replace") for line in stream)

    with Guard() as guard:
        child = Child("dev", lambda: Launch("dev", command, cwd, {**own, **(environ or {})}), guard, collect)
        child.start()
        process = DevProcess(child, data, lines)
        try:
            yield process
        finally:
            if not process.ended():
                process.stop()


@contextmanager
def running_dev(data: Path, agents: str, *arguments: str, cwd: Path = ROOT) -> Iterator[DevProcess]:
    """A ready `pumice dev` that serves `agents` on a free port."""
    options = ("--agents", agents, "--port", str(free_port()), "--no-reload", *arguments)
    with started_dev(data, *options, cwd=cwd) as process:
        process.wait_ready()
        yield process


def free_port() -> int:
    """A TCP port on loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
