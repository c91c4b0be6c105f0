"""`pumice db`: the schema."""

import sys
import time
from pathlib import Path

import click

import pumice
from pumice.cli.failing import UPGRADE, one_line
from pumice.cli.honcho import honcho_process, stay
from pumice.cli.instance import instance_option, settings_of
from pumice.cli.output import json_option, print_json
from pumice.errors import StoreAwayError
from pumice.settings import Settings

PATIENCE = 30.0
"""Seconds to wait for Postgres: a release may run while it starts."""


@click.group()
def db() -> None:
    """The database's schema."""


@db.command()
@json_option
@honcho_process
def upgrade(honcho_process: str, *, as_json: bool) -> None:
    """Bring the schema to this version's; waits up to 30 s for Postgres."""
    settings = Settings.from_env()
    wait_for_postgres(settings.database_url, PATIENCE)
    applied = upgrade_schema(settings.database_url)
    if as_json:
        print_json({"applied": applied, "revision": revisions()[-1]})
    else:
        for revision in applied:
            click.echo(f"applied {revision}")
        click.echo(f"the schema is up to date ({revisions()[-1]})")
    if honcho_process:
        stay()


@db.command()
@json_option
@instance_option
def current(data_dir: Path, *, as_json: bool) -> None:
    """Show the schema's revision and this version's; exit status 0 if they are the same."""
    from pumice.sessions.schema import look_at

    revision = look_at(settings_of(data_dir).database_url).revision
    problem = schema_problem(revision)
    if as_json:
        print_json({"revision": revision, "wanted": revisions()[-1], "problem": problem})
    else:
        click.echo(problem or f"the schema is up to date ({revision})")
    sys.exit(1 if problem else 0)


def wait_for_postgres(database_url: str, timeout: float) -> None:
    """Return when Postgres answers; raises `StoreAwayError` after `timeout` seconds."""
    import psycopg

    end = time.monotonic() + timeout
    while True:
        try:
            psycopg.connect(database_url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if time.monotonic() > end:
                raise StoreAwayError(f"Postgres didn't answer for {timeout:.0f} s: {one_line(error)}") from None
            time.sleep(0.2)
        else:
            return


def migrations_folder() -> Path:
    """Where the migrations are: beside the package in a wheel, at the top of a checkout."""
    packaged = Path(pumice.__file__).with_name("migrations")
    return packaged if packaged.is_dir() else Path(pumice.__file__).parents[2] / "migrations"


def revisions() -> list[str]:
    """The schema's revisions that this version knows, oldest first: the numbers in the migrations' file names.

    Alembic would tell them too, but takes a second to load, and every process asks this when it starts.
    """
    files = (migrations_folder() / "versions").glob("m????_*.py")
    return sorted(file.name[1:5] for file in files)


def schema_problem(revision: str | None) -> str | None:
    """What is wrong with a database at this revision, and what to do; None when it is this version's."""
    known = revisions()
    if revision == known[-1]:
        return None
    if revision is None:
        return f"the schema isn't there: {UPGRADE}"
    if revision in known:
        return f"the schema is at {revision} and this version needs {known[-1]}: {UPGRADE}"
    return (
        f"the schema is at {revision}, which this version doesn't know (it needs {known[-1]}): "
        "this code is older than the database, so deploy the version that migrated it"
    )


def upgrade_schema(database_url: str) -> list[str]:
    """Apply the migrations that the database at `database_url` lacks. Returns the revisions that were applied."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    # % is the configuration's escape character, and may be in a password.
    driver_url = database_url.replace("postgresql://", "postgresql+psycopg://", 1)
    config.set_main_option("sqlalchemy.url", driver_url.replace("%", "%%"))
    applied: list[str] = []
    config.attributes["applied"] = applied
    command.upgrade(config, "head")
    return applied
