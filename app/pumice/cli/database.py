"""`pumice db`: the schema."""

import time
from pathlib import Path

import click

import pumice
from pumice.errors import StoreAwayError
from pumice.settings import Settings

PATIENCE = 30.0
"""Seconds to wait for Postgres: a release may run while it starts."""


@click.group()
def db() -> None:
    """The database's schema."""


@db.command()
def upgrade() -> None:
    """Bring the schema to this version's; waits up to 30 s for Postgres."""
    settings = Settings.from_env()
    wait_for_postgres(settings.database_url, PATIENCE)
    upgrade_schema(settings.database_url)
    click.echo("the schema is up to date")


def wait_for_postgres(database_url: str, timeout: float) -> None:
    """Return when Postgres answers; raises `StoreAwayError` after `timeout` seconds."""
    import psycopg

    end = time.monotonic() + timeout
    while True:
        try:
            psycopg.connect(database_url, connect_timeout=5).close()
        except psycopg.OperationalError as error:
            if time.monotonic() > end:
                raise StoreAwayError(f"Postgres didn't answer for {timeout:.0f} s: {error}") from None
            time.sleep(0.2)
        else:
            return


def migrations_folder() -> Path:
    """Where the migrations are: beside the package in a wheel, at the top of a checkout."""
    packaged = Path(pumice.__file__).with_name("migrations")
    return packaged if packaged.is_dir() else Path(pumice.__file__).parents[2] / "migrations"


def upgrade_schema(database_url: str) -> None:
    """Apply the migrations that the database at `database_url` lacks."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_folder()))
    # % is the configuration's escape character, and may be in a password.
    driver_url = database_url.replace("postgresql://", "postgresql+psycopg://", 1)
    config.set_main_option("sqlalchemy.url", driver_url.replace("%", "%%"))
    command.upgrade(config, "head")
