"""`pumice shell`: a Python prompt with everything at hand."""

import code
from pathlib import Path
from typing import Any

import click

from pumice.cli.instance import instance_option, settings_of


@click.command()
@instance_option
def shell(data_dir: Path) -> None:
    """Open a Python prompt (IPython, if it is installed) with the settings, the database and the agents."""
    names = _names(data_dir)
    banner = f"Pumice: {', '.join(names)}. help(name) explains each."
    try:
        from IPython import start_ipython
    except ModuleNotFoundError:
        code.interact(banner, local=names, exitmsg="")
    else:
        click.echo(banner)
        start_ipython(argv=["--no-banner"], user_ns=names)


def _names(data_dir: Path) -> dict[str, Any]:
    """What can be used at the prompt."""
    from pumice.agents.registry import load_agents
    from pumice.sessions import queries
    from pumice.sessions.engine import make_engine

    settings = settings_of(data_dir)
    engine = make_engine(settings)

    def sessions(agent: str, after: str = "", limit: int = 100) -> Any:
        """The agent's sessions in the order of their ids, from the one after `after`."""
        return queries.list_sessions(engine, agent, after=after, limit=limit)

    def session(agent: str, session_id: str) -> Any:
        """One session, or None."""
        return queries.get_session(engine, agent, session_id)

    def messages(agent: str, session_id: str, limit: int = 1_000) -> Any:
        """A session's conversation, oldest first."""
        return queries.list_messages(engine, agent, session_id, after=-1, limit=limit)

    def interactions(agent: str, session_id: str, limit: int = 100) -> Any:
        """A session's interactions in the order of acceptance."""
        return queries.list_interactions(engine, agent, session_id, after=0, limit=limit)

    helpers = (sessions, session, messages, interactions)
    own = {"settings": settings, "engine": engine, "agents": load_agents(settings.agents, settings.middleware)}
    return own | {function.__name__: function for function in helpers}
