"""What is looked at before a process starts to serve.

A Postgres that is away is no mistake: workers and beats wait for it, and the front answers 503 meanwhile.
"""

import time

import click
import psycopg

from pumice.agents.hidden_packages import check_hidden_packages
from pumice.cli.database import schema_problem
from pumice.cli.failing import one_line
from pumice.errors import PumiceError, SettingsError
from pumice.sessions.schema import Database, look_at
from pumice.settings import Settings

LOOK_AGAIN = 1.0
"""Seconds between two looks at a Postgres that is away, or whose schema is being made."""
RELEASE_TIME = 60.0
"""Seconds that a process gives the release that honcho has started with it."""


def serving_settings() -> Settings:
    """The settings of a process that serves agents, so AGENTS must be set.

    Raises `SettingsError`, and `DeclarationError` when a module of the author's hides a package that is needed.
    """
    check_hidden_packages()
    settings, problems = Settings.as_far_as_valid()
    if not settings.agents:
        problems = [*problems, ("AGENTS", "is not set, so nothing would be served: AGENTS=id=module:Class,…")]
    if problems:
        raise SettingsError(problems)
    return settings


def check_database(settings: Settings, *, wait: bool, migrating: bool = False) -> None:
    """Return when Postgres can be worked with, or when it is away and is not to be waited for.

    migrating: a release may be under way beside this process; it gets `RELEASE_TIME` seconds.
    Raises `PumiceError` when its schema is another version's, or its connections are shared without DATABASE_POOLED.
    """
    database = _look(settings.database_url, wait=wait)
    give_up = time.monotonic() + RELEASE_TIME
    while migrating and database is not None and schema_problem(database.revision) and time.monotonic() < give_up:
        time.sleep(LOOK_AGAIN)
        database = _look(settings.database_url, wait=wait)
    if database is not None and (problem := schema_problem(database.revision) or unset_pooled(settings, database)):
        raise PumiceError(problem)


def unset_pooled(settings: Settings, database: Database) -> str | None:
    """What is wrong when clients share this database's connections and the settings don't say so; None if all is well.

    What a session of the server remembers (prepared statements, locks) would then be another client's.
    """
    if not database.shared or settings.database_pooled:
        return None
    return "Postgres is behind PgBouncer or another pooler in transaction mode: set DATABASE_POOLED=true"


def _look(database_url: str, *, wait: bool) -> Database | None:
    """What the database says of itself; None when it is away. Being away is told once."""
    told = False
    while True:
        try:
            return look_at(database_url)
        except psycopg.OperationalError as error:
            if not told:
                told = True
                what = "waiting for it" if wait else "requests get 503 until it can be"
                click.echo(f"pumice: Postgres can't be reached, {what}: {one_line(error)}", err=True)
            if not wait:
                return None
            time.sleep(LOOK_AGAIN)
