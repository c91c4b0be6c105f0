"""What every contender can do; what one of them can't, it doesn't offer."""

import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, ClassVar

import redis

from tests.bench.loader.http import Address
from tests.bench.stack.processes import Process, python
from tests.bench.stack.servers import Servers
from tests.bench.verify.postgres import PostgresTruth
from tests.bench.verify.truth import Truth

GUNICORN = ["-k", "gevent", "--worker-connections", "10000", "--keep-alive", "75", "--log-level", "warning"]
"""The same for every contender that starts gunicorn here."""


class Contender(ABC):
    """A system under load: its database, its processes by role, and its requests as bytes."""

    name: ClassVar[str]
    order: ClassVar[str] = "id"
    """The column of `interactions` that numbers them in the order of acceptance."""
    pace: ClassVar[float] = 1.0
    """How much of a paced count it gets: a slow contender shows its rate with less."""
    first_frame: ClassVar[str | None] = None
    """The type of the frame with which a socket begins."""
    database_url: str = ""
    redis_url: str = ""
    """Both empty for one that does not use the servers."""

    def __init__(self, servers: Servers, directory: Path) -> None:
        self.servers = servers
        self.directory = directory
        self.port = free_port()
        self.running: dict[str, list[Process]] = {}

    @property
    def address(self) -> Address:
        """Where its front listens."""
        return ("127.0.0.1", self.port)

    @property
    def addresses(self) -> Sequence[Address]:
        """Where each of its fronts listens, which share one address unless they are on several machines."""
        return [self.address]

    @abstractmethod
    def offers(self, workload: str) -> bool:
        """Whether it takes part in a workload."""

    @abstractmethod
    def prepare(self) -> None:
        """Make its database, once for the whole run."""

    @abstractmethod
    def commands(self, fronts: int, workers: int) -> dict[str, list[list[str]]]:
        """Return the commands to start, by role: `front`, `worker`, `beat`."""

    @abstractmethod
    def environment(self, fronts: int) -> dict[str, str]:
        """Return what its processes find in their environment."""

    @abstractmethod
    def hook(self, fields: dict[str, Any]) -> bytes:
        """Return the request that posts one webhook event."""

    def chat(self, session_id: str, messages: Sequence[str]) -> bytes:
        """Return the request that says `messages` to a session."""
        raise NotImplementedError

    def stream(self, session_id: str, messages: Sequence[str]) -> bytes:
        """Return the request that says `messages` to a session of an agent that streams, and asks for a stream."""
        raise NotImplementedError

    def socket(self, session_id: str) -> bytes:
        """Return the request that opens a WebSocket on a session."""
        raise NotImplementedError

    def said(self, text: str) -> bytes:
        """Return the frame's payload that says `text`; the answer to it is a frame of type `message`."""
        raise NotImplementedError

    def make_job_due(self, sessions: int) -> float:
        """Have a job count a tick in each of the `sessions` that are stored, s0 and up.

        Returns the moment at which it was due, or just before it was asked for, on the monotonic clock.
        """
        raise NotImplementedError

    def truth(self) -> AbstractContextManager[Truth | None]:
        """Open what it stores, empty at first; None for one that stores nothing."""
        return PostgresTruth.on(self.database_url, self.order) if self.database_url else nullcontext()

    def start(self, roles: Sequence[str], fronts: int, workers: int) -> None:
        """Empty its Redis, start the processes of `roles` and wait until the front answers."""
        if self.redis_url:
            redis.Redis.from_url(self.redis_url).flushdb()
        commands = self.commands(fronts, workers)
        for role in roles:
            self.start_role(role, commands.get(role, []), fronts)
        if "front" in roles:
            for address in self.addresses:
                self._wait_for_front(address)

    def start_role(self, role: str, commands: Sequence[Sequence[str]], fronts: int) -> None:
        """Start one role's processes beside what runs already."""
        self.running[role] = [
            Process(command, self.environment(fronts), self.directory / f"{self.name}-{role}-{number}.log")
            for number, command in enumerate(commands)
        ]

    def stop(self, role: str | None = None) -> None:
        """End the processes of one role, or of all."""
        names = [role] if role else list(self.running)
        processes = [process for name in names for process in self.running.pop(name, [])]
        for process in processes:
            process.ask_to_end()
        for process in processes:
            process.wait_for_end()

    def pids(self) -> dict[str, list[int]]:
        """Return the roots of its process trees by role, and those of the servers that it uses."""
        own = {role: [process.pid for process in processes] for role, processes in self.running.items() if processes}
        if not self.database_url:
            return own
        return {**own, "postgres": [self.servers.postgres], "valkey": [self.servers.valkey]}

    def require_alive(self) -> None:
        """Raise RuntimeError when one of its processes has ended by itself."""
        for processes in self.running.values():
            for process in processes:
                process.require_alive()

    def _wait_for_front(self, address: Address, patience: float = 30.0) -> None:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            self.require_alive()
            try:
                with socket.create_connection(address, timeout=5) as probe:
                    probe.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\n\r\n")
                    if probe.recv(1):
                        return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not answer on {address} after {patience:.0f} s")


def free_port() -> int:
    """Return a TCP port on loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def gunicorn(app: str, port: int, fronts: int) -> list[str]:
    """Return the command that serves `app` from `fronts` gevent processes."""
    return python("-m", "gunicorn", app, "-b", f"127.0.0.1:{port}", "-w", str(fronts), *GUNICORN)
