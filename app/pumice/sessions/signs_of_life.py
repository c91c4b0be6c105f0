"""Signs of life: which workers and beats of a host have been seen lately, by the database's clock."""

from typing import LiteralString, NamedTuple

import psycopg
from psycopg.rows import namedtuple_row

PATIENCE = 10.0
"""Seconds that a process may be silent. Workers and beats show themselves every second."""

WORKERS: LiteralString = """
select name, extract(epoch from now() - seen_at)::float as silent from workers
where starts_with(name, %(host)s || ':') order by seen_at desc
"""
"""The workers of a host, with the seconds since each was seen."""

BEATS: LiteralString = """
select name, extract(epoch from now() - seen_at)::float as silent from beats
where starts_with(name, %(host)s || ':') order by seen_at desc
"""
"""The beats of a host, with the seconds since each was seen."""


class Sign(NamedTuple):
    """A process, called `host:pid`, and how many seconds ago it was seen."""

    name: str
    silent: float

    @property
    def alive(self) -> bool:
        """Whether it was seen lately."""
        return self.silent < PATIENCE


def workers_of(database_url: str, host: str) -> list[Sign]:
    """The worker processes of a host, the one seen last first. Raises `psycopg.Error`."""
    return _signs(database_url, WORKERS, host)


def beats_of(database_url: str, host: str) -> list[Sign]:
    """The beats of a host, the one seen last first. Raises `psycopg.Error`."""
    return _signs(database_url, BEATS, host)


def _signs(database_url: str, query: LiteralString, host: str) -> list[Sign]:
    with psycopg.connect(
        database_url, prepare_threshold=None, connect_timeout=5, row_factory=namedtuple_row
    ) as connection:
        return [Sign(*row) for row in connection.execute(query, {"host": host})]
