"""Starts everything in order, keeps it running, and stops it in the reverse order."""

import signal
import threading
from contextlib import ExitStack, suppress
from pathlib import Path
from types import FrameType

from pumice.dev import calls, datadir, reload, serving
from pumice.dev.children import Guard
from pumice.dev.console import Console
from pumice.dev.datadir import DataDirectory, DevFile, Pids
from pumice.dev.errors import DevError
from pumice.dev.options import Options
from pumice.dev.postgres import Postgres
from pumice.dev.procfile import SERVICES, answers, release, service
from pumice.dev.servers import START_TIMEOUT
from pumice.dev.supervised import StopRequestedError, SupervisedProcesses
from pumice.dev.valkey import Valkey
from pumice.settings import Settings

DATABASE = "pumice"
"""The database's name in our own Postgres."""


class Supervisor:
    """One run of `pumice dev`."""

    def __init__(self, options: Options, console: Console) -> None:
        self._options, self._console = options, console
        self._stop, self._changed = threading.Event(), threading.Event()

    def run(self) -> None:
        """Run until SIGINT, SIGTERM or SIGHUP.

        Raises `PumiceError` when it can't start.
        """
        agents, notes = self._choose_agents()
        specs = serving.load(agents)
        with ExitStack() as stack, suppress(StopRequestedError):
            data = stack.enter_context(datadir.use(self._options.data_dir))
            port, note = self._options.choose_port()  # a killed predecessor has left it by now
            for text in filter(None, [note, *notes]):
                self._console.say(text)
            guard = stack.enter_context(Guard(lock=data.lock, retract=(data.dev_file,)))
            processes = SupervisedProcesses(guard, self._console, self._stop)
            self._take_signals(processes)
            stack.callback(processes.stop)
            stack.callback(data.retract)
            stack.callback(self._console.say, "stopping")
            dev = self._start(data, processes, port, agents)
            self._console.block(calls.summary(dev, specs))
            self._keep(data, processes, dev)
        self._console.say("stopped")

    def _choose_agents(self) -> tuple[str, list[str]]:
        given = self._options.agents if self._options.agents is not None else self._options.environ.get("AGENTS")
        agents, notes = (given, []) if given else serving.importable_examples()
        if not agents:
            raise DevError("There is nothing to serve: name your agents with --agents id=module:Class,…")
        return agents, notes

    def _take_signals(self, processes: SupervisedProcesses) -> None:
        """The first signal stops everything in order, the next ones don't wait for turns under way."""

        def stop(_number: int, _frame: FrameType | None) -> None:
            if self._stop.is_set():
                processes.kill(SERVICES)
            self._stop.set()

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, stop)

    def _start(self, data: DataDirectory, processes: SupervisedProcesses, port: int, agents: str) -> DevFile:
        """Start everything, and announce it once the front is ready."""
        database_url, redis_url = self._start_servers(data, processes)
        environ = self._options.children_environ(
            DATABASE_URL=database_url, REDIS_URL=redis_url, AGENTS=agents, PORT=str(port)
        )
        Settings.from_env(environ)
        if self._options.reload:  # from before the code is loaded, so that no change is missed
            reload.watch_code(Path.cwd(), data.path, self._changed, self._stop)
        processes.complete("release", release(environ))
        keys = serving.ensure_keys(data, database_url, list(serving.load(agents)))
        for name in SERVICES:
            processes.start(name, service(name, environ))
        url = f"http://{self._options.reachable_host}:{port}"
        processes.wait_until(lambda: answers(f"{url}/readyz"), f"{url}/readyz didn't answer", START_TIMEOUT)
        processes.settled = True
        dev = DevFile(url=url, databaseUrl=database_url, redisUrl=redis_url, agents=keys, pids=_pids(processes))
        data.remember_declaration(agents)
        data.announce(dev)
        return dev

    def _start_servers(self, data: DataDirectory, processes: SupervisedProcesses) -> tuple[str, str]:
        """Start those that the environment doesn't name; returns the addresses of Postgres and Redis."""
        database_url = self._options.environ.get("DATABASE_URL", "")
        redis_url = self._options.environ.get("REDIS_URL", "")
        postgres = None if database_url else Postgres(data.path / "postgres", data.port("postgres"))
        valkey = None if redis_url else Valkey(data.path / "redis", data.port("redis"))
        servers: list[Postgres | Valkey] = [server for server in (valkey, postgres) if server]
        for server in servers:
            processes.start(server.name, server.launch)
        for server in servers:
            processes.wait_until(server.ready, f"{server.name} didn't start", START_TIMEOUT)
        if postgres:
            postgres.make_database(DATABASE)
            database_url = postgres.url(DATABASE)
        return database_url, valkey.url() if valkey else redis_url

    def _keep(self, data: DataDirectory, processes: SupervisedProcesses, dev: DevFile) -> None:
        """Look after the processes until a signal comes, and start them anew when the code changes."""
        while True:
            if self._changed.is_set():
                self._changed.clear()
                self._console.say("the code changed: starting web, worker and beat anew")
                processes.restart(SERVICES)
            processes.look()
            if (pids := _pids(processes)) != dev["pids"]:
                dev = {**dev, "pids": pids}
                data.announce(dev)
            processes.pause()


def _pids(processes: SupervisedProcesses) -> Pids:
    return Pids(
        web=processes.pid("web"),
        worker=processes.pid("worker"),
        beat=processes.pid("beat"),
        postgres=processes.pid("postgres"),
        redis=processes.pid("redis"),
    )
