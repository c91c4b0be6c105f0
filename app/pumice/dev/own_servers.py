"""Postgres and Valkey for `pumice dev`: those that the environment names, or servers of its own."""

from pumice.dev.datadir import DataDirectory
from pumice.dev.options import Options
from pumice.dev.postgres import Postgres
from pumice.dev.servers import START_TIMEOUT
from pumice.dev.supervised import SupervisedProcesses
from pumice.dev.valkey import Valkey

DATABASE = "pumice"
"""The database's name in our own Postgres."""


class OwnServers:
    """The servers that the environment does not name. Their addresses are known before they run."""

    def __init__(self, options: Options, data: DataDirectory) -> None:
        database_url, redis_url = (options.environ.get(name, "") for name in ("DATABASE_URL", "REDIS_URL"))
        self._postgres = None if database_url else Postgres(data.path / "postgres", data.port("postgres"))
        self._valkey = None if redis_url else Valkey(data.path / "redis", data.port("redis"))
        self.database_url = self._postgres.url(DATABASE) if self._postgres else database_url
        self.redis_url = self._valkey.url() if self._valkey else redis_url

    def start(self, processes: SupervisedProcesses) -> None:
        """Start them and return when they answer. Raises `DevError` when they don't."""
        servers: list[Postgres | Valkey] = [server for server in (self._valkey, self._postgres) if server]
        for server in servers:
            processes.start(server.name, server.launch)
        for server in servers:
            processes.wait_until(server.ready, f"{server.name} didn't start", START_TIMEOUT)
        if self._postgres:
            self._postgres.make_database(DATABASE)
