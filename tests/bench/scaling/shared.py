"""What the machines share: one Postgres and one Valkey on the host, which listen on its address on each link."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
import redis

from pumice.dev.ports import HOST
from pumice.dev.postgres import Postgres
from pumice.dev.servers import temporary_postgres, temporary_valkey
from tests.bench.scaling.machine import NETWORK, Place
from tests.bench.stack.servers import Servers, found


@contextmanager
def shared_servers(places: Sequence[Place]) -> Iterator[Servers]:
    """Yield servers of this run alone, under their addresses on loopback."""
    hosts = [HOST, *(place.host for place in places)]
    options = {"listen_addresses": ",".join(hosts)}
    with temporary_postgres(options) as postgres, temporary_valkey() as valkey:
        _admit(postgres)
        with redis.Redis.from_url(valkey.url()) as client:
            client.config_set("protected-mode", "no")
            client.config_set("bind", " ".join(hosts))
        yield found(postgres.url(), valkey.url())


def _admit(postgres: Postgres) -> None:
    """Let the machines in without a password: nobody else can reach the addresses."""
    with (postgres.folder / "pg_hba.conf").open("a") as rules:
        rules.write(f"host all all {NETWORK}.0.0/16 trust\n")
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("select pg_reload_conf()")
