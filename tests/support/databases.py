"""Databases for tests: each a copy of one migrated template."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from psycopg import sql


@dataclass(frozen=True)
class ExternalServer:
    """A server that is there already, at the address of any of its databases."""

    address: str

    def url(self, database: str | int) -> str:
        """The address of another of its databases."""
        return urlsplit(self.address)._replace(path=f"/{database}").geturl()


def run(admin_url: str, statement: str, *names: str) -> None:
    """Run a statement outside any transaction, with `names` in place of its {}."""
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@contextmanager
def database(admin_url: str, template: str = "template1") -> Iterator[str]:
    """The name of a new database, dropped at the end with whoever is still connected."""
    name = f"test_{uuid4().hex[:12]}"
    run(admin_url, "create database {} template {}", name, template)
    try:
        yield name
    finally:
        run(admin_url, "drop database {} with (force)", name)
