"""`pumice sessions schedules`: what a session is to do later."""

from pathlib import Path
from typing import Any

import click

from pumice.cli.history import open_store
from pumice.cli.instance import instance_option
from pumice.cli.output import ROWS, clean, json_option, print_json, print_table


@click.command()
@click.argument("agent")
@click.argument("session")
@click.option("--after", default="", help="Only those after this place: the last of the page before.")
@click.option("--limit", default=100, show_default=True, type=ROWS, help="The most rows to print.")
@json_option
@instance_option
def schedules(agent: str, session: str, after: str, limit: int, data_dir: Path, *, as_json: bool) -> None:
    """List a session's schedules by key, then the calls that wait without one."""
    from pumice.sessions import schedules as stored
    from pumice.sessions.points import resolve

    with open_store(data_dir) as store:
        resolve(store, agent, session, None)
        rows = stored.list_(store, agent, session, after=after, limit=limit)
    if as_json:
        print_json([row.encode() for row in rows])
        return
    cells = [(r.key, r.method, r.next_at, _when(r), r.last_at, r.interaction_id, r.error) for r in rows]
    print_table(("KEY", "METHOD", "NEXT", "WHEN", "LAST", "INTERACTION", "ERROR"), cells)
    if len(rows) == limit:
        click.echo(f"there may be more: --after {clean(rows[-1].place)!r} prints them", err=True)


def _when(row: Any) -> str:
    if row.cron is not None:
        return f"{row.cron} ({row.timezone})"
    return "once" if row.every is None else f"every {row.every:g} s"
