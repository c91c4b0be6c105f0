"""What `pumice dev` runs at the moment, and what dev.json says of it."""

import socket
from collections.abc import Mapping

import psycopg

from pumice.dev import calls
from pumice.dev.console import Console
from pumice.dev.datadir import AgentKeys, DataDirectory, DevFile, Pids
from pumice.dev.inspection import Inspection
from pumice.dev.keys import ensure_keys
from pumice.dev.options import Options
from pumice.dev.own_servers import OwnServers
from pumice.dev.procfile import release
from pumice.dev.servers import START_TIMEOUT
from pumice.dev.services import Services
from pumice.dev.supervised import SupervisedProcesses
from pumice.settings import Settings

FIXED = ("DATABASE_URL", "REDIS_URL", "HOST", "PORT")
"""Settings that can't change while it runs."""


class Instance:
    """The servers and services of one `pumice dev`, as they were started and replaced last."""

    def __init__(
        self,
        console: Console,
        options: Options,
        data: DataDirectory,
        processes: SupervisedProcesses,
        front: socket.socket,
    ) -> None:
        self.options = options
        self.services = Services(processes, front)
        self._console, self._data, self._processes = console, data, processes
        self._servers = OwnServers(options, data)
        self._port = int(front.getsockname()[1])
        self._dev: DevFile | None = None

    def environ_of(self, options: Options) -> dict[str, str]:
        """The environment of web, worker and beat. Raises `SettingsError` when a setting is wrong."""
        environ = options.children_environ(
            DATABASE_URL=self._servers.database_url,
            REDIS_URL=self._servers.redis_url,
            HOST=self.options.host,
            PORT=str(self._port),
            **({"AGENTS": options.declaration} if options.declaration else {}),
        )
        Settings.from_env(environ)
        return environ

    def start(self, inspection: Inspection) -> None:
        """Start everything, and announce it once the front is ready."""
        self._servers.start(self._processes)
        environ = {**self.environ_of(self.options), "AGENTS": inspection.declaration}
        self._processes.complete("release", release(environ))
        self._tell_unserved(self._data.served(), inspection)
        keys = ensure_keys(self._data, self._servers.database_url, inspection.ids)
        self.services.start(environ)
        url = f"http://{self.options.reachable_host}:{self._port}"
        self._processes.wait_until(self.services.ready, f"{url}/readyz didn't answer", START_TIMEOUT)
        self._processes.settled = True
        self._dev = DevFile(
            url=url,
            databaseUrl=self._servers.database_url,
            redisUrl=self._servers.redis_url,
            agents=keys,
            pids=_pids(self._processes),
        )
        self._data.announce(self._dev)
        self._console.block(calls.summary(self._dev, inspection.agents))

    def prepare(self, options: Options, inspection: Inspection) -> None:
        """Start web, worker and beat for these options and agents, beside those that run."""
        for name in FIXED:
            if options.environ.get(name, "") != self.options.environ.get(name, ""):
                self._console.say(f"{name} changed: stop `pumice dev` and start it again for that")
        self.services.prepare({**self.environ_of(options), "AGENTS": inspection.declaration})

    def switch(self, inspection: Inspection) -> None:
        """Let what was prepared take over, and say what that changes for callers."""
        assert self._dev  # noqa: S101 (for the type: it was started)
        before = self._dev["agents"]
        self._dev = {**self._dev, "agents": self._keys(before, inspection.ids)}
        self.services.switch()
        self.announce()
        self._tell_unserved(list(before), inspection)
        for agent in inspection.agents:
            if agent.id not in before:
                self._console.block(calls.agent_lines(self._dev, agent))

    def announce(self) -> None:
        """Bring dev.json up to date."""
        if self._dev and (pids := _pids(self._processes)) != self._dev["pids"]:
            self._dev = {**self._dev, "pids": pids}
            self._data.announce(self._dev)

    def _keys(self, before: Mapping[str, AgentKeys], agents: list[str]) -> dict[str, AgentKeys]:
        """The agents' keys. While Postgres is away, those that were there before."""
        try:
            return ensure_keys(self._data, self._servers.database_url, agents)
        except psycopg.Error:
            self._console.say("Postgres can't be reached: new agents get their keys at the next reload")
            return {agent: before[agent] for agent in agents if agent in before}

    def _tell_unserved(self, before: list[str], inspection: Inspection) -> None:
        for agent in before:
            if agent not in inspection.ids:
                self._console.say(f"agent {agent} is not served any more; its sessions and keys are kept")
        self._data.remember_served(inspection.ids)
        self._data.remember_declaration(inspection.declaration)


def _pids(processes: SupervisedProcesses) -> Pids:
    return Pids(
        web=processes.pid("web"),
        worker=processes.pid("worker"),
        beat=processes.pid("beat"),
        postgres=processes.pid("postgres"),
        redis=processes.pid("redis"),
    )
