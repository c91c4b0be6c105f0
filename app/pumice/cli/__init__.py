"""The `pumice` command. Each group of commands has a file; a command imports what it needs when it runs."""

import sys

import click

from pumice.cli.check import check
from pumice.cli.database import db
from pumice.cli.dead import dead
from pumice.cli.dev import dev
from pumice.cli.keys import keys
from pumice.cli.processes import beat, web, worker
from pumice.errors import PumiceError, SettingsError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pumice")
def pumice() -> None:
    """Pumice: a backend for stateful agent sessions."""


for command in (web, worker, beat, db, keys, dead, check, dev):
    pumice.add_command(command)


def main() -> None:
    """Run the command; what the caller can mend is told in a line, without a traceback."""
    try:
        pumice()
    except SettingsError as error:
        for variable, what in error.problems:
            click.echo(f"{variable} {what}", err=True)
        click.echo("`pumice check` explains every setting.", err=True)
        sys.exit(1)
    except PumiceError as error:
        click.echo(f"pumice: {error}", err=True)
        sys.exit(1)
