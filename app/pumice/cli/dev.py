"""`pumice dev`: everything on this machine."""

import os
import sys
from pathlib import Path

import click


@click.command()
@click.option("--agents", help="What to serve: id=module:Class,…  [default: AGENTS, else the examples]")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="The front's port.  [default: PORT, else 8000 or the next free one]"
)
@click.option(
    "--data-dir",
    type=click.Path(path_type=Path, readable=False),
    default=Path(".pumice"),
    show_default=True,
    help="Where Postgres's data and dev.json go.",
)
@click.option(
    "--reload/--no-reload",
    default=True,
    show_default=True,
    help="Start anew when .env or a file that the agents import changes.",
)
def dev(agents: str | None, port: int | None, data_dir: Path, *, reload: bool) -> None:
    """Run web, worker and beat, with a Postgres and a Valkey unless DATABASE_URL and REDIS_URL name some.

    Settings come from the environment and, where that says nothing, from .env in this folder.
    """
    try:
        from pumice.dev.supervisor import Supervisor
    except ModuleNotFoundError as error:
        raise click.ClickException(f'{error.name} is missing: pip install "pumice[dev]"') from error
    from pumice.dev.console import Console
    from pumice.dev.options import Options

    # The processes that this starts inherit the whole environment, not only what Settings knows of it.
    options = Options(agents=agents, port=port, data_dir=data_dir, reload=reload, environ=os.environ)
    Supervisor(options, Console(sys.stdout)).run()
