"""The `pumice` command. Each group of commands has a file; a command imports what it needs when it runs."""

import click

from pumice.cli.agents import agents
from pumice.cli.canary import canary
from pumice.cli.chat import chat
from pumice.cli.check import check
from pumice.cli.database import db
from pumice.cli.dev import dev
from pumice.cli.failing import Commands
from pumice.cli.failures import failures
from pumice.cli.fleet import fleet
from pumice.cli.health import health
from pumice.cli.hooks import hooks
from pumice.cli.jobs import jobs
from pumice.cli.keys import keys
from pumice.cli.new import new
from pumice.cli.outgoing import outgoing
from pumice.cli.processes import beat, web, worker
from pumice.cli.sessions import sessions
from pumice.cli.settings import settings
from pumice.cli.shell import shell


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pumice")
def pumice() -> None:
    """Pumice: a backend for stateful agent sessions."""


for command in (
    *(new, dev, web, worker, beat),
    *(check, health, settings, db, keys),
    *(agents, hooks, jobs, sessions, fleet, canary, outgoing, failures, chat, shell),
):
    pumice.add_command(command)


def main() -> None:
    """Run the command."""
    pumice()
