"""The two servers, for callers that want them up for a while."""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TypeVar

from pumice.dev.children import Child, Guard, stop_all
from pumice.dev.errors import DevError
from pumice.dev.ports import any_free
from pumice.dev.postgres import Postgres
from pumice.dev.valkey import Valkey

Server = TypeVar("Server", Postgres, Valkey)

START_TIMEOUT = 60.0
"""Seconds that a server gets to answer: recovery after a crash takes a while on a slow disk."""


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Start `server`, wait until it answers, and stop it at the end.

    Raises `DevError` with the server's output when it ends before it answers.
    """
    output: list[bytes] = []

    def collect(_name: str, stream: IO[bytes]) -> None:
        output.extend(stream)

    with Guard() as guard:
        child = Child(server.name, server.launch, guard, collect)
        child.start()
        try:
            wait_ready(server, child, output)
            yield server
        finally:
            stop_all([child])


def wait_ready(server: Postgres | Valkey, child: Child, output: list[bytes]) -> None:
    """Return when `server` answers; raises `DevError` with its `output` when it ended or took over a minute."""
    end = time.monotonic() + START_TIMEOUT
    while not server.ready():
        if child.ended() is not None or time.monotonic() > end:
            raise DevError(f"{server.name} didn't start:\n{b''.join(output).decode(errors='replace')}")
        time.sleep(0.02)


@contextmanager
def temporary_postgres(options: Mapping[str, str] | None = None) -> Iterator[Postgres]:
    """A Postgres with nothing in it, removed at the end."""
    with temporary_folder() as folder, running(Postgres(folder / "postgres", any_free(), options)) as server:
        yield server


@contextmanager
def temporary_valkey() -> Iterator[Valkey]:
    """A Valkey, removed at the end."""
    with temporary_folder() as folder, running(Valkey(folder / "redis", any_free())) as server:
        yield server


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder that other accounts can pass through (Postgres may run as one), removed at the end."""
    with tempfile.TemporaryDirectory(prefix="pumice-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        yield folder
