"""`pumice hooks`: what agents receive, trying it out, and what came."""

import sys
from pathlib import Path
from typing import Any

import click

from pumice.cli.failing import Failed
from pumice.cli.history import open_store
from pumice.cli.instance import front_of, instance_option, settings_of
from pumice.cli.output import clean, json_option, print_json, print_table
from pumice.cli.served import served_spec, served_specs

FAILED = 1
SHOWN = ("id", "hook", "status", "event", "deliveryId", "sessionId", "receivedAt", "reason")


@click.group()
def hooks() -> None:
    """Webhooks: addresses and secrets, deliveries, and trying them out."""


@hooks.command(name="list")
@json_option
@instance_option
def list_(data_dir: Path, *, as_json: bool) -> None:
    """List the hooks of all agents: who sends there, and whether the secret is there."""
    from pumice.cli.hook_rows import hook_rows

    rows = hook_rows(served_specs(data_dir))
    if as_json:
        print_json(rows)
        return
    fields = ("agentId", "hook", "source", "events", "secret", "path")
    print_table(
        ("AGENT", "HOOK", "SOURCE", "EVENTS", "SECRET", "ADDRESS"), [[row[name] for name in fields] for row in rows]
    )


@hooks.command()
@click.argument("agent")
@click.argument("hook")
@click.option("--event", help="The event's type, where a header or a field of the sample names it.")
@click.option("--data", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A file: the body.")
@click.option("--count", default=1, show_default=True, type=click.IntRange(1, 1_000_000), help="How many to send.")
@click.option("--session", default="demo", show_default=True, help="Put where the hook's selector looks.")
@click.option("--url", envvar="PUMICE_URL", help="The front. Without it: the running `pumice dev`.")
@json_option
@instance_option
def trigger(  # noqa: PLR0913 (what a request is made of)
    agent: str,
    hook: str,
    *,
    event: str | None,
    data: Path | None,
    count: int,
    session: str,
    url: str | None,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Send a hook what its sender would: a sample or a file, rightly signed with the secret of the environment."""
    from pumice.cli.triggering import Trigger

    spec = served_spec(data_dir, agent)
    base = front_of(click.get_current_context(), agent, data_dir, url, "-").url
    made = Trigger(spec, hook, base, settings_of(data_dir).public_url, session=session, event=event, data=data)
    if count == 1:
        answer = made.send()
        if as_json:
            print_json({"status": answer.status, "headers": answer.headers, "body": answer.text})
        else:
            click.echo(f"{answer.status} {clean(answer.text)}")
        sys.exit(0 if answer.well else FAILED)
    statuses: dict[int, int] = {}
    with click.progressbar(length=count, label=f"{agent}/{hook}", file=sys.stderr) as bar:
        for answer in made.send_many(count):
            statuses[answer.status] = statuses.get(answer.status, 0) + 1
            bar.update(1)
    if as_json:
        print_json({"sent": count, "statuses": {str(status): number for status, number in statuses.items()}})
    else:
        click.echo(", ".join(f"{number} answered {status}" for status, number in sorted(statuses.items())))
    sys.exit(0 if all(200 <= status < 300 for status in statuses) else FAILED)  # noqa: PLR2004 (success)


def filtering(command: Any) -> Any:
    """Give a command what picks deliveries."""
    for option in (
        click.option("--since", help="Only those received since, as 2026-01-31T09:00:00Z."),
        click.option("--event", help="Only of this event type; * stands for any characters."),
        click.option("--status", help="accepted, refused, filtered, repeated or handshake."),
        click.option("--hook", help="Only of this hook."),
    ):
        command = option(command)
    return command


@hooks.command()
@click.argument("agent")
@filtering
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000), help="The newest so many.")
@json_option
@instance_option
def deliveries(agent: str, limit: int, data_dir: Path, *, as_json: bool, **filters: str | None) -> None:
    """List what the hooks of an agent received, newest first."""
    from pumice.sessions.deliveries import list_deliveries
    from pumice.sessions.delivery_documents import delivery_document, wanted_of

    wanted = wanted_of(served_spec(data_dir, agent), filters)
    with open_store(data_dir) as store:
        found, _ = list_deliveries(store, wanted, before=None, limit=limit)
    rows = [delivery_document(one) for one in found]
    if as_json:
        print_json(rows)
        return
    print_table(tuple(name.upper() for name in SHOWN), [[row[name] for name in SHOWN] for row in rows])


@hooks.command()
@click.argument("agent")
@click.argument("delivery")
@click.option("--test", "test_file", type=click.Path(dir_okay=False, path_type=Path), help="Write it as a pytest file.")
@instance_option
def show(agent: str, delivery: str, test_file: Path | None, data_dir: Path) -> None:
    """Show a delivery with its request, or make a test of it."""
    from pumice.agents.context import is_uuid
    from pumice.cli.delivery_test import delivery_test
    from pumice.sessions.deliveries import read_delivery
    from pumice.sessions.delivery_documents import full_document

    spec = served_spec(data_dir, agent)
    with open_store(data_dir) as store:
        found = read_delivery(store, agent, delivery) if is_uuid(delivery) else None
    if found is None:
        raise Failed(clean(f"pumice: {agent} has no delivery {delivery!r}"))
    if test_file is None:
        print_json(full_document(spec, found))
        return
    test_file.write_text(delivery_test(spec, full_document(spec, found)), encoding="utf-8")
    click.echo(f"wrote {test_file}")


@hooks.command()
@click.argument("agent")
@click.argument("delivery", required=False)
@filtering
@click.option("--url", envvar="PUMICE_URL", help="The front. Without it: the running `pumice dev`.")
@click.option("--key", envvar="PUMICE_API_KEY", help="A secret key of the agent. Without it: that of `pumice dev`.")
@json_option
@instance_option
def replay(
    agent: str,
    delivery: str | None,
    *,
    url: str | None,
    key: str | None,
    data_dir: Path,
    as_json: bool,
    **filters: str | None,
) -> None:
    """Run a delivery again, or all that a filter picks: each becomes a new interaction."""
    from pumice.cli.triggering import replay_deliveries

    given = {name: value for name, value in filters.items() if value is not None}
    if (delivery is None) != bool(given):
        raise Failed("pumice: name one delivery, or a filter: --hook, --status, --event, --since")
    front = front_of(click.get_current_context(), agent, data_dir, url, key, secret=True)
    with click.progressbar(length=1, label="replay", file=sys.stderr) as bar:
        found = replay_deliveries(front, agent, delivery, given)
        bar.update(1)
    if as_json:
        print_json(found)
        return
    click.echo(f"{len(found['replayed'])} replayed, {found['leftOut']} left out, {len(found['problems'])} can't be")
    for problem in found["problems"]:
        click.secho(clean(f"  {problem['id']}: {problem['detail']}"), fg="red")
    sys.exit(FAILED if found["problems"] else 0)


@hooks.group()
def secrets() -> None:
    """Secrets that senders handed over: Asana's, Notion's."""


@secrets.command(name="list")
@click.argument("agent")
@json_option
@instance_option
def list_secrets(agent: str, data_dir: Path, *, as_json: bool) -> None:
    """List them. Only those that were accepted count."""
    from pumice.sessions import hook_secrets

    with open_store(data_dir) as store:
        rows = hook_secrets.list_secrets(store, agent)
    shown = [(one.id, one.hook, one.secret, one.received_at, one.accepted_at) for one in rows]
    if as_json:
        names = ("id", "hook", "secret", "receivedAt", "acceptedAt")
        print_json([dict(zip(names, row, strict=True)) for row in shown])
        return
    print_table(("ID", "HOOK", "SECRET", "RECEIVED", "ACCEPTED"), shown)


@secrets.command()
@click.argument("agent")
@click.argument("secret")
@instance_option
def accept(agent: str, secret: str, data_dir: Path) -> None:
    """Have a secret count, by its id: you know that its sender handed it over, and no stranger."""
    _change("accept", agent, secret, data_dir)


@secrets.command()
@click.argument("agent")
@click.argument("secret")
@instance_option
def remove(agent: str, secret: str, data_dir: Path) -> None:
    """Forget a secret, by its id."""
    _change("remove", agent, secret, data_dir)


def _change(action: str, agent: str, secret: str, data_dir: Path) -> None:
    from pumice.agents.context import is_uuid
    from pumice.sessions import hook_secrets

    change = hook_secrets.accept_secret if action == "accept" else hook_secrets.remove_secret
    with open_store(data_dir) as store:
        done = is_uuid(secret) and change(store, agent, secret)
    if not done:
        raise Failed(clean(f"pumice: {agent} has no secret {secret!r}"))
    click.echo(f"{action}ed" if action == "accept" else "removed")
