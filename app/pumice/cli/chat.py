"""`pumice chat`: talk to an agent."""

import sys
from pathlib import Path

import click

from pumice.cli.chat_client import Chat, Reply
from pumice.cli.failing import Failed
from pumice.cli.instance import front_of, instance_option
from pumice.cli.output import json_option, print_json


@click.command()
@click.argument("agent")
@click.argument("session", required=False)
@click.option("--message", "-m", help="Say this, print the reply and end.")
@click.option("--url", envvar="PUMICE_URL", help="The front's address.  [env: PUMICE_URL]")
@click.option("--key", envvar="PUMICE_API_KEY", help="A key of the agent.  [env: PUMICE_API_KEY]")
@json_option
@instance_option
@click.pass_context
def chat(  # noqa: PLR0913 (click passes each option by its name)
    context: click.Context,
    *,
    agent: str,
    session: str | None,
    message: str | None,
    url: str | None,
    key: str | None,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Chat with AGENT in SESSION, or in a new temporary one. An empty line, Ctrl-D or Ctrl-C ends it.

    Without a terminal, each line that is read is one message.
    """
    front = front_of(context, agent, data_dir, url, key)
    conversation = Chat(front, agent, session)
    if message is not None:
        _say(conversation, message, as_json=as_json)
        return
    while text := _read_line():
        _say(conversation, text, as_json=as_json)


def _read_line() -> str:
    """What is said next; empty at the end."""
    if sys.stdin.isatty():
        return str(click.prompt("you", default="", show_default=False, prompt_suffix="> ", err=True))
    return sys.stdin.readline().strip()


def _say(conversation: Chat, text: str, *, as_json: bool) -> None:
    """Send a message and print its reply as it comes. Raises `Failed` when there is none."""
    new = conversation.session is None
    reply = Reply()
    for piece in conversation.say(text, reply):
        if not as_json:
            click.echo(piece, nl=False)
    if reply.problem is not None:
        if reply.streamed and not as_json:
            click.echo()
        raise Failed(f"pumice: {reply.problem}")
    if as_json:
        print_json({"sessionId": conversation.session, "interactionId": reply.interaction_id, "message": reply.message})
        return
    click.echo()
    if new:
        click.echo(f"(session {conversation.session})", err=True)
