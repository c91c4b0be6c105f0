"""What the Procfile's processes do differently under honcho, which starts all at once and ends all when one ends.

So `release` stays when its work is done, and the others wait for it. Heroku, which runs `release` before the others and
waits for its end, is not concerned: honcho names itself to the processes that it starts.
"""

import signal

import click

honcho_process = click.option(
    "--honcho-process", envvar="HONCHO_PROCESS_NAME", default="", hidden=True, help="Set by honcho: the process's name."
)
"""The option by which a command knows what honcho calls it; empty when honcho did not start it."""


def stay() -> None:
    """Return when honcho asks this process to end."""
    click.echo("staying, because honcho ends every process when one ends")
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    signal.sigwait(ends)
