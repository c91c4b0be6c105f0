"""`pumice outgoing`: endpoints that get an agent's events, and what became of the events."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pumice.cli.failing import Failed
from pumice.cli.history import open_store
from pumice.cli.instance import instance_option, settings_of
from pumice.cli.output import clean, json_option, print_json, print_table

if TYPE_CHECKING:
    from pumice.sessions.outgoing_endpoints import Endpoint
    from pumice.sessions.outgoing_events import EventFilter

LOOK_UP = 10.0
"""Seconds that are waited for what a new endpoint's host resolves to."""


@click.group()
def outgoing() -> None:
    """Send the events that agents emit to other systems."""


@outgoing.command()
@click.argument("agent")
@json_option
@instance_option
def endpoints(agent: str, data_dir: Path, *, as_json: bool) -> None:
    """List an agent's endpoints."""
    from pumice.sessions.outgoing_endpoints import list_

    with open_store(data_dir) as store:
        rows = list_(store, agent)
    if as_json:
        print_json([row._asdict() for row in rows])
        return
    cells = [(r.id, r.status, r.reason, r.pending, r.failing_since, " ".join(r.events), r.url) for r in rows]
    print_table(("ENDPOINT", "STATUS", "REASON", "PENDING", "FAILING SINCE", "EVENTS", "URL"), cells)


@outgoing.command()
@click.argument("agent")
@click.argument("url")
@click.option(
    "--event", "events", multiple=True, metavar="TYPE", help="Only events of this type; * stands for anything."
)
@click.option("--thin", is_flag=True, help="Send ids instead of the events' data.")
@json_option
@instance_option
def add(agent: str, url: str, events: tuple[str, ...], data_dir: Path, *, thin: bool, as_json: bool) -> None:
    """Add an endpoint, and print its secret."""
    from pumice.agents.outgoing import read_endpoint
    from pumice.outgoing.addresses import RefusedAddressError, check_now, networks
    from pumice.sessions.outgoing_endpoints import create

    _check_agent(agent)
    new = read_endpoint({"url": url, "thin": thin, "events": list(events) or None})
    try:
        check_now(new.url, networks(settings_of(data_dir).outgoing_private), timeout=LOOK_UP)
    except RefusedAddressError as error:
        raise Failed(clean(f"pumice: {error}")) from None
    with open_store(data_dir) as store:
        _print(*create(store, agent, new), as_json=as_json)


@outgoing.command()
@click.argument("agent")
@click.argument("endpoint")
@instance_option
def pause(agent: str, endpoint: str, data_dir: Path) -> None:
    """Send nothing to an endpoint; its events wait."""
    _set_status(agent, endpoint, "paused", data_dir)


@outgoing.command()
@click.argument("agent")
@click.argument("endpoint")
@instance_option
def resume(agent: str, endpoint: str, data_dir: Path) -> None:
    """Send to an endpoint again, first what waits for it."""
    _set_status(agent, endpoint, "active", data_dir)


@outgoing.command()
@click.argument("agent")
@click.argument("endpoint")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@instance_option
def remove(agent: str, endpoint: str, data_dir: Path, *, yes: bool) -> None:
    """Remove an endpoint, and what waits for it."""
    from pumice.sessions.outgoing_endpoints import delete, read

    with open_store(data_dir) as store:
        found = read(store, agent, endpoint)
        if not yes:
            click.confirm(clean(f"Remove {found.url}, for which {found.pending} events wait?"), abort=True, err=True)
        delete(store, agent, endpoint)
    click.echo(clean(f"{found.url} gets no events any more"))


@outgoing.command()
@click.argument("agent")
@click.argument("endpoint")
@json_option
@instance_option
def rotate(agent: str, endpoint: str, data_dir: Path, *, as_json: bool) -> None:
    """Give an endpoint a new secret, and print it. The one before signs too for 24 hours."""
    from pumice.sessions import outgoing_endpoints

    with open_store(data_dir) as store:
        _print(*outgoing_endpoints.rotate(store, agent, endpoint), as_json=as_json)


@outgoing.command()
@click.argument("agent")
@click.argument("event", required=False)
@click.option("--type", "kind", help="Only events of this type.")
@click.option("--endpoint", help="Only events for this endpoint.")
@click.option(
    "--status", type=click.Choice(["pending", "delivered", "failed"]), help="Only with a delivery that is so."
)
@click.option("--since", type=click.DateTime(), help="Only from this time on (UTC).")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="The newest so many.")
@json_option
@instance_option
def events(agent: str, event: str | None, limit: int, data_dir: Path, *, as_json: bool, **given: Any) -> None:
    """List an agent's events, newest first; or show one of them, with each attempt."""
    from pumice.sessions import outgoing_events as stored
    from pumice.sessions.engine import make_engine

    wanted = _filter(**given)
    with open_store(data_dir) as store:
        if event is not None:
            found = [stored.read(store, agent, event)]
        else:
            found = stored.list_(make_engine(settings_of(data_dir)), agent, wanted, before=None, limit=limit)
        ways = stored.deliveries(store, [one.id for one in found])
    if as_json:
        print_json([{**one._asdict(), "deliveries": [way._asdict() for way in ways[one.id]]} for one in found])
    elif event is None:
        cells = [(one.id, one.type, one.session_id, one.created_at, _told(ways[one.id])) for one in found]
        print_table(("EVENT", "TYPE", "SESSION", "AT", "DELIVERIES"), cells)
    else:
        _show(found[0], ways[found[0].id])


@outgoing.command()
@click.argument("agent")
@click.argument("event")
@click.option("--endpoint", help="Only to this one.")
@instance_option
def resend(agent: str, event: str, endpoint: str | None, data_dir: Path) -> None:
    """Send an event again, with its id, to all endpoints that take it or to one."""
    from pumice.sessions.outgoing_events import resend as send_again

    with open_store(data_dir) as store:
        found = send_again(store, agent, event, endpoint)
    click.echo(clean(f"{event} goes to {', '.join(found)}"))


def _filter(kind: str | None, endpoint: str | None, status: str | None, since: datetime | None) -> "EventFilter":
    from pumice.agents.names import UUID_FORM
    from pumice.sessions.outgoing_events import EventFilter

    if endpoint is not None and not UUID_FORM.fullmatch(endpoint):
        raise Failed(clean(f"pumice: --endpoint {endpoint}: is no endpoint's id"))
    return EventFilter(kind, None if since is None else since.replace(tzinfo=UTC), endpoint, status)


def _set_status(agent: str, endpoint: str, status: str, data_dir: Path) -> None:
    from pumice.agents.outgoing import EndpointChange
    from pumice.sessions.outgoing_endpoints import change

    with open_store(data_dir) as store:
        found = change(store, agent, endpoint, EndpointChange(status=status))
    click.echo(clean(f"{found.url} is {found.status}; {found.pending} events wait"))


def _check_agent(agent: str) -> None:
    from pumice.agents.names import AGENT_ID

    if not AGENT_ID.fullmatch(agent):
        raise Failed(clean(f"pumice: {agent!r} is no agent id"))


def _print(found: "Endpoint", secret: str, *, as_json: bool) -> None:
    if as_json:
        print_json({**found._asdict(), "secret": secret})
        return
    click.echo(clean(f"{found.id} {found.url}"))
    click.echo(f"secret: {secret}")


def _told(ways: list[Any]) -> str:
    """How many deliveries there are of each status."""
    counts = {status: sum(way.status == status for way in ways) for status in ("delivered", "pending", "failed")}
    return ", ".join(f"{count} {status}" for status, count in counts.items() if count) or "none"


def _show(event: Any, ways: list[Any]) -> None:
    click.echo(clean(f"{event.id} {event.type} of {event.session_id}: {event.payload}"))
    for way in ways:
        click.echo(f"  {way.endpoint_id} {way.status}, {way.attempts} attempts")
        for one in way.tries:
            click.echo(clean(f"    {one['at']} {one['status'] or '-'} {one['error'] or ''}").rstrip())
