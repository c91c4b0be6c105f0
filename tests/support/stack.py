"""The Procfile's processes on servers that are there, driven from outside.

    with running_stack(settings_environ, "echo=tests.support.agents_chat:Echo") as stack:
        stack.agent("echo").chat("hello", session="s1")

Further fronts and workers share the stack's database: `with stack.front(REPLY_TIMEOUT="1") as url`.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import psutil
import psycopg
from psycopg.rows import dict_row

from pumice.dev.children import Child, Guard, stop_all
from pumice.dev.procfile import answers, service
from pumice.sessions.api_keys import create_key
from tests.support.client import AgentClient
from tests.support.processes import OWN, free_port
from tests.support.waiting import wait_until

DEFAULTS = {
    "HOST": "127.0.0.1",
    "AUTH_FAILURES_PER_MINUTE": "1000000",
    "SHUTDOWN_TIMEOUT": "2",
    "LOG_LEVEL": "info",
}


class Process:
    """One process of a stack."""

    def __init__(self, name: str, environ: Mapping[str, str], guard: Guard) -> None:
        self.lines: list[str] = []
        self._child = Child(name, service(name, environ), guard, self._collect)
        self.url = f"http://127.0.0.1:{environ['PORT']}" if name == "web" else ""
        self._child.start()

    @property
    def pid(self) -> int:
        assert self._child.pid, f"it ended:\n{self.output}"
        return self._child.pid

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def wait_for(self, ready: Callable[[], Any]) -> None:
        """Wait until it is ready; fail with its output when it ends before."""
        wait_until(lambda: ready() or self._child.ended() is not None, 60, f"a ready process; it said:\n{self.output}")
        assert self._child.pid, f"it ended:\n{self.output}"

    def send(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def wait_ended(self, timeout: float = 30.0) -> int:
        code = [-1]

        def ended() -> bool:
            code[0] = self._child.ended() or 0
            return self._child.pid is None

        wait_until(ended, timeout, f"its end; it said:\n{self.output}")
        return code[0]

    def stop(self) -> None:
        stop_all([self._child])

    def _collect(self, _name: str, stream: IO[bytes]) -> None:
        self.lines.extend(line.decode(errors="replace") for line in stream)


class Stack:
    """A database with keys for its agents, and the processes that serve them."""

    def __init__(self, environ: Mapping[str, str], guard: Guard) -> None:
        inherited = {name: value for name, value in os.environ.items() if name not in OWN}
        self.environ = {**inherited, **DEFAULTS, **environ}
        self.database_url = environ["DATABASE_URL"]
        self.url = ""
        self.shared: dict[str, Process] = {}
        self._guard = guard
        self._clients: list[AgentClient] = []
        ids = [entry.partition("=")[0] for entry in environ["AGENTS"].split(",")]
        self.keys = {one: (self.make_key(one, "public"), self.make_key(one, "secret")) for one in ids}

    def agent(self, agent_id: str, url: str = "") -> AgentClient:
        """A client of an agent, through the front at `url`."""
        self._clients.append(AgentClient(url or self.url, agent_id, *self.keys[agent_id]))
        return self._clients[-1]

    def close_clients(self, url: str) -> None:
        """Close the connections to a front: one that stops waits for them."""
        for client in self._clients:
            if client.url == url:
                client.http.close()

    @contextmanager
    def process(self, name: str, **settings: str) -> Iterator[Process]:
        """One more process, just started."""
        process = Process(name, {**self.environ, "PORT": str(free_port()), **settings}, self._guard)
        try:
            yield process
        finally:
            process.stop()

    @contextmanager
    def front(self, **settings: str) -> Iterator[Process]:
        """One more front, ready."""
        with self.process("web", **settings) as process:
            process.wait_for(lambda: answers(f"{process.url}/readyz"))
            try:
                yield process
            finally:
                self.close_clients(process.url)

    @contextmanager
    def worker(self, **settings: str) -> Iterator[Process]:
        """One more worker, ready."""
        with self.process("worker", **settings) as process:
            process.wait_for(lambda: self._is_present(process.pid))
            yield process

    def _is_present(self, pid: int) -> bool:
        """Has this worker, or one of its children in the prefork pool, a row of its own?"""
        pids = [pid, *(child.pid for child in psutil.Process(pid).children())]
        return bool(self.query("select id from workers where name like any(%s)", [f"%:{one}" for one in pids]))

    def query(self, statement: str, *values: Any) -> list[dict[str, Any]]:
        """Rows from the stack's database; what the statement changes is committed."""
        with psycopg.connect(self.database_url, row_factory=dict_row, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def make_key(self, agent_id: str, kind: Any) -> str:
        """One more key."""
        return create_key(self.database_url, agent_id, kind)


@contextmanager
def running_stack(environ: Mapping[str, str], agents: str) -> Iterator[Stack]:
    """A front and a worker, ready, which serve `agents` on the servers that `environ` names."""
    with ExitStack() as opened:
        stack = Stack({**environ, "AGENTS": agents}, opened.enter_context(Guard()))
        web = opened.enter_context(stack.process("web"))
        stack.shared = {"front": web, "worker": opened.enter_context(stack.worker())}
        opened.callback(stack.close_clients, web.url)
        web.wait_for(lambda: answers(f"{web.url}/readyz"))
        stack.url = web.url
        yield stack
