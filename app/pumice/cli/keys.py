"""`pumice keys`: API keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, cast

import click

from pumice.errors import StoreAwayError
from pumice.settings import Settings


@click.group()
def keys() -> None:
    """API keys: a public one chats, a secret one manages sessions."""


@keys.command()
@click.option("--agent", required=True, help="The agent id that the key is for.")
@click.option("--kind", type=click.Choice(["public", "secret"]), default="public", show_default=True)
def create(agent: str, kind: str) -> None:
    """Make a key and print it. It is stored hashed: this is the only time it can be read."""
    from pumice.sessions.api_keys import create_key

    with _database() as url:
        click.echo(create_key(url, agent, cast("Literal['public', 'secret']", kind)))


@keys.command(name="list")
@click.option("--agent", help="Only this agent's keys.")
def list_(agent: str | None) -> None:
    """List the keys by their prefixes."""
    from pumice.sessions.api_keys import list_keys

    with _database() as url:
        rows = list_keys(url, agent)
    for row in rows:
        state = f"revoked {row.revoked_at:%Y-%m-%d %H:%M}" if row.revoked_at else "valid"
        click.echo(f"{row.prefix}  {row.kind:6}  {row.agent_id}  created {row.created_at:%Y-%m-%d %H:%M}  {state}")


@keys.command()
@click.argument("prefix")
def revoke(prefix: str) -> None:
    """Revoke the keys that start with PREFIX."""
    from pumice.sessions.api_keys import revoke_key

    with _database() as url:
        revoked = revoke_key(url, prefix)
    if not revoked:
        raise click.ClickException(f"no valid key starts with {prefix}")
    click.echo(f"revoked {revoked} key{'s' if revoked > 1 else ''}")


@contextmanager
def _database() -> Iterator[str]:
    """The database's address; what goes wrong with it is told in a line."""
    import psycopg

    settings = Settings.from_env()
    try:
        yield settings.database_url
    except psycopg.errors.UndefinedTable:
        raise click.ClickException("the schema isn't there: run `pumice db upgrade`") from None
    except psycopg.OperationalError as error:
        raise StoreAwayError(f"Postgres can't be reached: {error}") from None
