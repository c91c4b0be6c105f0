"""A deployment to break: the Procfile's processes with a Postgres, a Valkey and proxies of their own."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import redis
from psycopg.rows import namedtuple_row

from pumice.cli.database import upgrade_schema
from pumice.dev.children import Guard
from pumice.dev.launch import Launch
from pumice.dev.ports import HOST, any_free
from pumice.dev.postgres import Postgres
from pumice.dev.procfile import answers, service
from pumice.dev.servers import temporary_folder
from pumice.dev.valkey import Valkey
from pumice.sessions.api_keys import create_key
from tests.support.faults_agents import AGENTS, Gates
from tests.support.faults_processes import SupervisedProcesses
from tests.support.processes import OWN, ROOT, python_path
from tests.support.proxy import Proxy
from tests.support.waiting import wait_until

PATIENCE = 60.0
"""Seconds that a process or server gets to come up; the machine may be busy."""
POSTGRES = {"fsync": "off", "full_page_writes": "off", "track_activity_query_size": "16384"}
"""A crash of the machine itself is not tried; statements are to be seen whole in pg_stat_activity."""


class Stack:
    """The processes by name: web, web2, worker, worker2, beat, beat2, postgres, redis.

    All reach Postgres through the proxy `postgres_proxy`; fronts and beats reach the broker, but not the channel of
    events, through `broker_proxy`.
    """

    def __init__(self, folder: Path, processes: SupervisedProcesses, names: tuple[str, ...]) -> None:
        self.processes = processes
        self.gates = Gates(folder)
        self._postgres = Postgres(folder / "postgres", any_free(), POSTGRES)
        self._valkey = Valkey(folder / "redis", any_free())
        self.services = names
        self._direct: psycopg.Connection[Any] | None = None
        self._ports = {name: any_free() for name in names if name.startswith("web")}

    def start(self) -> None:
        """Start everything and wait until all of it works."""
        for server in (self._postgres, self._valkey):
            self.processes.start(server.name, server.launch)
        self.wait_servers()
        self._postgres.make_database("faults")
        upgrade_schema(self.database_url)
        self.key = create_key(self.database_url, "checked", "public")
        self.postgres_proxy = Proxy(self._postgres.port)
        self.broker_proxy = Proxy(self._valkey.port)
        for name in self.services:
            self.processes.start(name, self._service(name))
        self.wait_ready()

    @property
    def database_url(self) -> str:
        """Postgres, reached directly."""
        return self._postgres.url("faults")

    @property
    def redis(self) -> "redis.Redis":
        """A client of Redis."""
        return redis.Redis.from_url(self._valkey.url(), socket_timeout=None)

    @property
    def urls(self) -> list[str]:
        """The fronts' addresses."""
        return [f"http://{HOST}:{port}" for port in self._ports.values()]

    def fetch(self, query: str, *parameters: Any) -> list[Any]:
        """Ask Postgres, directly, on a connection that is opened anew when it was lost. For the test's own thread."""
        if self._direct is None or self._direct.closed:
            self._direct = psycopg.connect(self.database_url, autocommit=True, row_factory=namedtuple_row)
        try:
            cursor = self._direct.execute(query.encode(), parameters)
        except psycopg.OperationalError:
            self._direct.close()
            return self.fetch(query, *parameters)
        return cursor.fetchall() if cursor.description else []

    def has(self, query: str, *parameters: Any) -> bool:
        """Does this `select from …` find anything?"""
        return bool(self.fetch(f"select exists({query}) as found", *parameters)[0].found)

    def at_gate(self, gate: str) -> str:
        """Wait until a handler stands before a gate. Returns its worker's name."""
        return self.processes.name_of(wait_until(lambda: self.gates.attempts(gate), 20, f"{gate} reached")[-1])

    @contextmanager
    def locked(self, query: str, *parameters: Any) -> Iterator[Callable[[], None]]:
        """A transaction that has executed this, rolled back at the end or when what it yields is called."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute(query.encode(), parameters)
            yield connection.rollback
            connection.rollback()

    def blocked(self, text: str) -> list[int]:
        """The backends that wait for a lock in a statement with this text."""
        rows = self.fetch(
            "select pid from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'pumice'"
            " and position(%s in query) > 0",
            text,
        )
        return [row.pid for row in rows]

    def wait_blocked(self, text: str, count: int = 1) -> int:
        """Wait until so many backends wait for a lock in such a statement. Returns one of them."""
        what = f"{count} backends that wait for a lock in {text!r}"
        wait_until(lambda: len(self.blocked(text)) >= count, 20, what)
        return self.blocked(text)[0]

    def wait_servers(self) -> None:
        """Return when Postgres and Redis answer."""
        for server in (self._postgres, self._valkey):
            wait_until(server.ready, PATIENCE, server.name)

    def wait_ready(self, *names: str) -> None:
        """Return when these processes work (all of them, unless some are named)."""
        for name in names or self.services:
            wait_until(lambda name=name: self._works(name), PATIENCE, f"{name}; it said:\n{self._said(name)}")  # type: ignore[misc]

    def stop_server(self, name: str, number: signal.Signals = signal.SIGINT) -> None:
        """Stop Postgres (SIGINT: fast, SIGQUIT: immediate) or Redis, and wait for its end. Only in `processes.held`."""
        self.processes.send(name, number)
        wait_until(lambda: self.processes.ended(name), PATIENCE, f"the end of {name}")

    def mend(self) -> None:
        """Let everything flow and run again, and wait until it works."""
        self.postgres_proxy.resume()
        self.broker_proxy.resume()
        self.wait_servers()
        for name in self.services:
            self.processes.send(name, signal.SIGCONT)
        self.wait_ready()

    def close(self) -> None:
        """Stop everything."""
        self.processes.stop()
        self.postgres_proxy.close()
        self.broker_proxy.close()

    def _service(self, name: str) -> Callable[[], Launch]:
        own = {key: value for key, value in os.environ.items() if key not in OWN}
        proxied = self._postgres.url("faults").replace(f":{self._postgres.port}/", f":{self.postgres_proxy.port}/")
        broker = self._valkey if name.startswith("worker") else self.broker_proxy
        environ = {
            **own,
            "AGENTS": AGENTS,
            "DATABASE_URL": f"{proxied}?sslmode=disable&gssencmode=disable",
            "REDIS_URL": self._valkey.url(),
            "BROKER_URL": f"redis://{HOST}:{broker.port}/0",
            "HOST": HOST,
            "PORT": str(self._ports.get(name, 0) or 8000),
            "SHUTDOWN_TIMEOUT": "5",
            "FAULT_GATES": str(self.gates.folder),
            "PYTHONPATH": python_path(),
        }
        kind = name.rstrip("0123456789")
        launch = service(kind, environ)()
        return lambda: Launch(name, launch.argv, ROOT, environ)

    def _works(self, name: str) -> bool:
        pid = self.processes.pid(name)
        if not pid:
            return False
        if name in self._ports:
            return answers(f"http://{HOST}:{self._ports[name]}/readyz")
        if name.startswith("worker"):
            return bool(self.fetch("select id from workers where name like %s", f"%:{pid}"))
        return True

    def _said(self, name: str) -> str:
        return self.processes.log(name)[-2000:]


@contextmanager
def running_stack(*names: str) -> Iterator[Stack]:
    """A stack with these processes."""
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        guard = stack.enter_context(Guard())
        deployment = Stack(folder, SupervisedProcesses(guard), names)
        stack.callback(deployment.processes.stop)
        deployment.start()
        stack.callback(deployment.close)
        yield deployment
