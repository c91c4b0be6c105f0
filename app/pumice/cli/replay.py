"""`pumice sessions replay`: what was recorded, run again on the workers' code."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pumice.agents.exact_json import to_text
from pumice.cli.conditions import given_condition, where_option
from pumice.cli.failing import Failed, one_line
from pumice.cli.history import open_store
from pumice.cli.instance import instance_option, settings_of
from pumice.cli.output import clean, json_option, print_json
from pumice.errors import PumiceError

if TYPE_CHECKING:
    from pumice.sessions.connections import StoreConnection
    from pumice.sessions.replays import NewReplay

CHANGED, FAILED = 1, 2
INTERVAL = 0.2
MOST = 1_000
"""Sessions of one replay."""


class NotReplayed(Failed):
    """What kept a replay from being started."""

    exit_code = FAILED


@click.command()
@click.argument("agent")
@click.argument("sessions", nargs=-1)
@where_option
@click.option("--sample", type=click.IntRange(1, 1_000), help="At the most so many sessions, chosen by chance.")
@click.option("--from", "after", help="Only what came after this point: an interaction's id or a snapshot's name.")
@click.option(
    "--model",
    type=click.Choice(["recorded", "live"]),
    default="recorded",
    show_default=True,
    help="What answers for an agent's model and tools: what was recorded, or they themselves.",
)
@click.option("--baseline", help="Run it on this release's workers too, and compare with that.")
@click.option("--candidate", help="Run it on this release's workers, instead of the stable ones.")
@click.option(
    "--html", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to this file as a page."
)
@click.option("--stop", "stopped", metavar="REPLAY", help="End this replay instead, and show what came out.")
@click.option("--fail-on-change", is_flag=True, help="End with status 1 when a turn came out differently.")
@json_option
@instance_option
def replay(  # noqa: PLR0913, PLR0917
    agent: str,
    sessions: tuple[str, ...],
    where: tuple[str, ...],
    sample: int | None,
    after: str | None,
    model: str,
    baseline: str | None,
    candidate: str | None,
    stopped: str | None,
    data_dir: Path,
    *,
    html: Path | None,
    fail_on_change: bool,
    as_json: bool,
) -> None:
    """Run recorded interactions again, in quiet forks on the workers, and show what came out differently.

    Ends with status 2 when a session could not be replayed.
    """
    from pumice.sessions.replays import NewReplay

    if stopped is not None:
        report = _stopped(data_dir, agent, stopped)
    else:
        if where:
            sessions, sample = _picked(data_dir, agent, where, sample or MOST), None
        if not sessions and sample is None:
            raise NotReplayed("pumice: name the sessions to replay, or say --where or --sample N.")
        report = _started(data_dir, agent, NewReplay(sessions, sample, after, model, baseline, candidate))
    _show(report, html, as_json=as_json)
    if report["status"] in {"failed", "stopped"}:
        sys.exit(FAILED)
    if fail_on_change and report["changed"]:
        sys.exit(CHANGED)


def _started(data_dir: Path, agent: str, new: "NewReplay") -> dict[str, Any]:
    """Start a replay. Returns its report, once it is complete. Raises `NotReplayed`."""
    from pumice.sessions import replays

    with open_store(data_dir) as store:
        try:
            started = replays.start(store, agent, new)
        except PumiceError as error:
            raise NotReplayed(f"pumice: {one_line(error)}") from None
        click.echo(f"replay {started}", err=True)
        return _followed(store, agent, started)


def _stopped(data_dir: Path, agent: str, replay: str) -> dict[str, Any]:
    """End a replay. Returns its report. Raises `NotReplayed`."""
    from pumice.sessions import replays

    with open_store(data_dir) as store:
        try:
            return replays.stop(store, agent, replay)
        except PumiceError as error:
            raise NotReplayed(f"pumice: {one_line(error)}") from None


def _show(report: dict[str, Any], html: Path | None, *, as_json: bool) -> None:
    from pumice.cli.replay_page import page

    if html is not None:
        html.write_text(page(report), encoding="utf-8")
    if as_json:
        print_json(report)
    else:
        _print(report)


def _picked(data_dir: Path, agent: str, where: tuple[str, ...], limit: int) -> tuple[str, ...]:
    """The sessions for which the conditions hold; of many, a sample. Raises `NotReplayed` when there are none."""
    from pumice.sessions.engine import make_engine
    from pumice.sessions.queries import pick_sessions

    condition = given_condition(data_dir, agent, where)
    found = pick_sessions(make_engine(settings_of(data_dir)), agent, condition, limit=limit) if condition else []
    if not found:
        raise NotReplayed("pumice: --where holds for no session.")
    return tuple(found)


def _followed(store: "StoreConnection", agent: str, started: str) -> dict[str, Any]:
    """The report, once it is complete. Shows how far the replay is."""
    from pumice.sessions.replays import report

    found = report(store, agent, started)
    with click.progressbar(length=len(found["sessions"]), label="replaying", file=sys.stderr) as bar:
        shown = 0
        while True:
            bar.update(found["sessionsDone"] - shown)
            shown = found["sessionsDone"]
            if found["status"] != "running":
                return found
            time.sleep(INTERVAL)
            found = report(store, agent, started)


def _print(report: dict[str, Any]) -> None:
    for session in report["sessions"]:
        click.secho(clean(session["sessionId"]), bold=True)
        if session["error"]:
            click.secho(f"  not replayed: {clean(session['error'])}", fg="red")
        for turn in session["turns"]:
            name = f" {clean(turn['name'])}" if turn["name"] else ""
            mark = click.style("changed", fg="yellow") if turn["changed"] else "same"
            click.echo(f"  {turn['interactionId']} {turn['kind']}{name}: {mark}")
            for difference in turn["differences"]:
                click.echo(f"    {difference['what']}")
                click.secho(f"    - {_text(difference['recorded'])}", fg="red")
                if "baseline" in difference:
                    click.echo(f"    = {_text(difference['baseline'])}  (baseline)")
                click.secho(f"    + {_text(difference['candidate'])}", fg="green")
    click.echo(f"{report['turns']} turns, {report['changed']} changed")


def _text(value: Any) -> str:
    return clean(to_text(value))
