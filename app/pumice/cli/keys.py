"""`pumice keys`: API keys."""

from pathlib import Path
from typing import Any, Literal, cast

import click

from pumice.cli.failing import Failed
from pumice.cli.instance import instance_option, settings_of
from pumice.cli.output import json_option, print_json, print_table
from pumice.settings import Settings


@click.group()
def keys() -> None:
    """API keys: a public one chats, a secret one manages sessions."""


@keys.command()
@click.option("--agent", required=True, help="The agent id that the key is for.")
@click.option("--kind", type=click.Choice(["public", "secret"]), default="public", show_default=True)
@json_option
@instance_option
def create(agent: str, kind: str, data_dir: Path, *, as_json: bool) -> None:
    """Make a key and print it. It is stored hashed: this is the only time it can be read."""
    from pumice.agents.names import AGENT_ID
    from pumice.sessions.api_keys import PREFIX_LENGTH, create_key

    if not AGENT_ID.fullmatch(agent):
        raise click.BadParameter(f"{agent!r} is no agent id", param_hint="--agent")
    settings = settings_of(data_dir)
    key = create_key(settings.database_url, agent, cast("Literal['public', 'secret']", kind))
    if (served := _served(settings)) and agent not in served:
        click.echo(f"warning: {agent} is not among the agents served: AGENTS has {', '.join(served)}", err=True)
    if as_json:
        print_json({"id": key[:PREFIX_LENGTH], "agentId": agent, "kind": kind, "key": key})
    else:
        click.echo(key)


@keys.command(name="list")
@click.option("--agent", help="Only this agent's keys.")
@json_option
@instance_option
def list_(agent: str | None, data_dir: Path, *, as_json: bool) -> None:
    """List the keys. A key's id is how it begins."""
    from pumice.sessions.api_keys import list_keys

    rows = list_keys(settings_of(data_dir).database_url, agent)
    if as_json:
        print_json([_document(row) for row in rows])
        return
    cells = [(row.prefix, row.kind, row.agent_id, row.created_at, row.revoked_at or "valid") for row in rows]
    print_table(("ID", "KIND", "AGENT", "CREATED", "REVOKED"), cells)


@keys.command()
@click.argument("key")
@json_option
@instance_option
def revoke(key: str, data_dir: Path, *, as_json: bool) -> None:
    """Revoke one key. KEY is the key itself, its id, or a beginning of the id that no other valid key has."""
    from pumice.sessions.api_keys import find_valid_keys, revoke_key

    database_url = settings_of(data_dir).database_url
    found = find_valid_keys(database_url, key)
    if not found:
        raise Failed("pumice: that is no valid key, nor the id of one, nor how one begins: see `pumice keys list`")
    if len(found) > 1:
        print_table(("ID", "KIND", "AGENT", "CREATED"), [(r.prefix, r.kind, r.agent_id, r.created_at) for r in found])
        raise Failed(f"pumice: {len(found)} valid keys begin like that, and none was revoked: give more of the id")
    row = found[0]
    if not revoke_key(database_url, row.prefix):
        raise Failed(f"pumice: {row.prefix} was revoked meanwhile")
    if as_json:
        print_json({"id": row.prefix, "agentId": row.agent_id, "kind": row.kind})
    else:
        click.echo(f"revoked {row.prefix}, a {row.kind} key of agent {row.agent_id}")


def _served(settings: Settings) -> list[str]:
    """The ids of the agents that AGENTS names, without loading them."""
    entries = [entry.strip().partition("=")[0] for entry in settings.agents.split(",")]
    return [agent_id for agent_id in entries if agent_id]


def _document(row: Any) -> dict[str, Any]:
    return {
        "id": row.prefix,
        "kind": row.kind,
        "agentId": row.agent_id,
        "createdAt": row.created_at,
        "revokedAt": row.revoked_at,
    }
