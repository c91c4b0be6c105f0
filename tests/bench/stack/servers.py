"""Postgres and Valkey for a whole run: started here, or those on this machine that DATABASE_URL and REDIS_URL name."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import psutil
import psycopg
import redis

from pumice.dev.servers import temporary_postgres, temporary_valkey


@dataclass(frozen=True)
class Servers:
    """Where both servers are, and the processes to charge their work to."""

    database_url: str
    redis_url: str
    postgres: int
    valkey: int

    def create_database(self, name: str) -> str:
        """Make an empty database, replacing one of that name, and return its URL."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute(f"drop database if exists {name} with (force)")
            connection.execute(f"create database {name}")
        return self._with_path(self.database_url, name)

    def redis_database(self, number: int) -> str:
        """Return the URL of a numbered database."""
        return self._with_path(self.redis_url, str(number))

    def versions(self) -> dict[str, str]:
        """Return what the servers call themselves, and the settings that decide what a commit costs."""
        with psycopg.connect(self.database_url) as connection:
            names = ("server_version", "fsync", "synchronous_commit", "shared_buffers", "full_page_writes")
            settings = {name: _setting(connection, name) for name in names}
        info = redis.Redis.from_url(self.redis_url).info("server")
        return {"valkey": info.get("valkey_version", info["redis_version"]), **settings}

    @staticmethod
    def _with_path(url: str, path: str) -> str:
        return urlunsplit(urlsplit(url)._replace(path=f"/{path}"))


@contextmanager
def servers() -> Iterator[Servers]:
    """Yield running servers; those started here end with the block."""
    given = os.environ.get("DATABASE_URL"), os.environ.get("REDIS_URL")
    if given[0] and given[1]:
        with _alone_on(given[0]):
            yield found(given[0], given[1])
        return
    with temporary_postgres() as postgres, temporary_valkey() as valkey:
        yield found(postgres.url(), valkey.url())


@contextmanager
def _alone_on(database_url: str) -> Iterator[None]:
    """Refuse servers on which another benchmark runs: it would replace this one's databases and take its messages."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        row = connection.execute("select pg_try_advisory_lock(hashtext('tests.bench'))").fetchone()
        if row != (True,):
            raise SystemExit("another benchmark is running on these servers")
        yield


def found(database_url: str, redis_url: str) -> Servers:
    """Return the servers at these addresses with the processes to charge; they must run on this machine."""
    with psycopg.connect(database_url) as connection:
        backend = psutil.Process(connection.info.backend_pid)
        postmaster = backend.parent()
    if postmaster is None:
        raise RuntimeError("the benchmark charges CPU to Postgres, so Postgres must run on this machine")
    valkey = redis.Redis.from_url(redis_url).info("server")["process_id"]
    return Servers(database_url, redis_url, postmaster.pid, int(valkey))


def _setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("select current_setting(%s)", (name,)).fetchone()
    return str(row[0]) if row else ""
