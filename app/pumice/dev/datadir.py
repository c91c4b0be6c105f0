"""What a data directory remembers between starts, and who uses it now.

* `lock` is held (flock) by the running `pumice dev`, and by its guard until everything has ended; it holds the pid
* `ports.json` has the ports of Postgres and Valkey, so that their addresses stay the same
* `keys.json` has the plain API keys, which the database doesn't have; mode 600
* `served.json` has the ids of the agents served last
* `inspection.json` is how a process that imports the agents answers; it is there for that moment only
* `agents.json` has what is served, as in AGENTS
* `dev.json` says where everything is, for other tools, while it runs; mode 600
"""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

import orjson
import psutil

from pumice.dev.errors import DevError
from pumice.dev.ports import any_free, is_free

LOCK_TIMEOUT = 20.0
"""Seconds to wait for the processes of a killed `pumice dev` to end."""


class AgentKeys(TypedDict):
    """One agent's keys in plain text."""

    publicKey: str
    secretKey: str


class Pids(TypedDict):
    """The running processes; None for a server that was not started here, and for what is being restarted."""

    web: int | None
    worker: int | None
    beat: int | None
    postgres: int | None
    redis: int | None


class DevFile(TypedDict):
    """The content of dev.json."""

    url: str
    databaseUrl: str
    redisUrl: str
    agents: dict[str, AgentKeys]
    pids: Pids


class DataDirectory:
    """A data directory in use; `use` gives one."""

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self.lock = lock

    def port(self, server: str) -> int:
        """The port of `server`: the same as the last time if it is free."""
        ports = self._read("ports.json")
        remembered = ports.get(server)
        if isinstance(remembered, int) and is_free(remembered):
            return remembered
        ports[server] = any_free()
        self._write("ports.json", ports)
        return int(ports[server])

    def keys(self) -> dict[str, AgentKeys]:
        """The remembered keys by agent id."""
        return self._read("keys.json")

    def remember_keys(self, keys: Mapping[str, AgentKeys]) -> None:
        """Remember these keys instead."""
        self._write("keys.json", keys)

    def served(self) -> list[str]:
        """The ids of the agents served last."""
        agents = self._read("served.json").get("agents")
        return agents if isinstance(agents, list) else []

    def remember_served(self, agents: list[str]) -> None:
        """Remember these ids instead."""
        self._write("served.json", {"agents": agents})

    @property
    def inspection_file(self) -> Path:
        """Where a process that imports the agents answers."""
        return self.path / "inspection.json"

    def remember_declaration(self, agents: str) -> None:
        """Remember what is served, as in AGENTS, for commands that load the agents."""
        self._write("agents.json", {"declaration": agents})

    @property
    def dev_file(self) -> Path:
        """Where `announce` writes."""
        return self.path / "dev.json"

    def announce(self, content: DevFile) -> None:
        """Write dev.json; a reader sees the old content or the new."""
        self._write(self.dev_file.name, content)

    def retract(self) -> None:
        """Remove dev.json."""
        self.dev_file.unlink(missing_ok=True)

    def _read(self, name: str) -> dict[str, Any]:
        try:
            content = orjson.loads((self.path / name).read_bytes())
        except (FileNotFoundError, orjson.JSONDecodeError):
            return {}
        except OSError as error:
            raise _unusable(self.path / name, error) from None
        return content if isinstance(content, dict) else {}

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        making = self.path / f".{name}.new"
        try:
            making.unlink(missing_ok=True)
            file = os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "wb") as stream:
                stream.write(orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")
            making.replace(self.path / name)
        except OSError as error:
            raise _unusable(self.path / name, error) from None


@contextmanager
def use(path: Path) -> Iterator[DataDirectory]:
    """Make `path` if need be and hold its lock.

    Raises `DevError` when another `pumice dev` holds it; while the processes of a killed one are being ended, it waits.
    """
    path = path.absolute()
    try:
        _make(path)
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(path, error) from None
    try:
        _acquire(lock, path)
        directory = DataDirectory(path.resolve(), lock)
        directory.remember_served(directory.served())  # fails now if nothing can be written
        directory.retract()  # a killed predecessor's
        yield directory
    finally:
        os.close(lock)


def _make(path: Path) -> None:
    """Let Postgres's account pass through a directory that is new, but leave the mode of one in use alone."""
    path.mkdir(parents=True, exist_ok=True)
    if not any(path.iterdir()) and path.stat().st_uid == os.geteuid():
        path.chmod(path.stat().st_mode | 0o711)


def _unusable(path: Path, error: OSError) -> DevError:
    return DevError(f"{path} can't be used: {error.strerror}. Give this user rights to it, or use another --data-dir.")


def _acquire(lock: int, path: Path) -> None:
    end = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode().strip()
            if _runs(holder) or time.monotonic() > end:
                raise DevError(f"pumice dev is running on {path} already (process {holder or 'unknown'}).") from None
            time.sleep(0.05)
        else:
            os.ftruncate(lock, 0)
            os.pwrite(lock, str(os.getpid()).encode(), 0)
            return


def _runs(pid: str) -> bool:
    try:
        return bool(psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE)
    except (ValueError, psutil.Error):
        return False
