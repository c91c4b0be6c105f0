"""Servers from Debian's packages, run from a temporary folder: nothing of the system's own services is used."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from pumice.dev.accounts import Account, postgres_account
from pumice.dev.children import Child, Guard, stop_all
from pumice.dev.launch import Launch
from tests.support.waiting import wait_until

PATIENCE = 90.0
"""Seconds that a server gets to answer; Erlang takes a while on a busy machine."""
FOLDERS = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
"""Where Debian has programs, whether an account's PATH names the folders of servers or not."""


def program(name: str, package: str) -> str:
    """The path of an installed program. Skips the test, and says what to install, when it is missing."""
    found = name if name.startswith("/") and Path(name).exists() else shutil.which(name, path=FOLDERS)
    if found is None:
        pytest.skip(f"NOT TRIED: {name} is missing; `apt-get install {package}`, or all with tests/deploy/install.sh")
    return found


@dataclass(frozen=True)
class Daemon:
    """A server's command, and how to see that it answers."""

    name: str
    argv: list[str]
    folder: Path
    ready: Callable[[], object]
    environ: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    grace: float = 20.0

    def launch(self) -> Launch:
        """How to start it."""
        environ = {"PATH": FOLDERS, "HOME": str(self.folder), "LANG": "C.UTF-8", **self.environ}
        return Launch(self.name, self.argv, self.folder, environ, self.account, grace=self.grace, level=0)


@contextmanager
def running(daemon: Daemon) -> Iterator[Child]:
    """Run a server that answers; fail with what it said when it ends before."""
    said: list[bytes] = []

    def collect(_name: str, stream: IO[bytes]) -> None:
        said.extend(stream)

    with Guard() as guard:
        child = Child(daemon.name, daemon.launch, guard, collect)
        child.start()
        try:
            wait_until(lambda: daemon.ready() or child.ended() is not None, PATIENCE, f"{daemon.name} to answer")
            assert child.pid, f"{daemon.name} ended:\n{b''.join(said).decode(errors='replace')}"
            yield child
        finally:
            stop_all([child])


class Switch:
    """A server that a test turns off and on again."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._running = running(daemon)

    def on(self) -> None:
        """Start it; return when it answers."""
        self._running = running(self._daemon)
        self._running.__enter__()

    def off(self) -> None:
        """Stop it; return when it is gone."""
        self._running.__exit__(None, None, None)


def unprivileged(folder: Path) -> Account | None:
    """Who runs servers that refuse to be root, with `folder` made theirs; None for whoever runs the tests."""
    account = postgres_account(folder)
    if account is not None:
        shutil.chown(folder, account.uid, account.gid)
    return account
