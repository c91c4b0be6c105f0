"""`pumice jobs run`, `backfill`, `explain`: running jobs by hand, and what became of a run."""

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pumice.cli.history import open_store
from pumice.cli.instance import instance_option, settings_of
from pumice.cli.output import clean, json_option, print_json
from pumice.cli.progress import Reached, show_progress
from pumice.cli.served import served_spec

if TYPE_CHECKING:
    from pumice.agents.spec import AgentSpec
    from pumice.sessions.connections import StoreConnection
    from pumice.sessions.job_facts import Question

FAILED = 1
ALL = "-"
"""Instead of a session's id: of a static job, which runs once for all."""


@click.command()
@click.argument("agent")
@click.argument("job")
@click.option("--session", help="Only in this session. Without it: in all that the job is for.")
@click.option("--wait", is_flag=True, help="Wait for its end, with a progress bar.")
@json_option
@instance_option
def run(agent: str, job: str, session: str | None, data_dir: Path, *, wait: bool, as_json: bool) -> None:
    """Run a job now. It runs also while it is paused."""
    from pumice.agents.names import checked_session_id
    from pumice.sessions.job_runs import run_everywhere, run_in_session

    spec = served_spec(data_dir, agent)
    with open_store(data_dir) as store:
        if session is None:
            at = run_everywhere(store, agent, job, spec.jobs.get(job))
            _end_of_tick(store, agent, job, at, wait=wait, as_json=as_json)
            return
        made = run_in_session(
            store, agent, job, spec.jobs.get(job), checked_session_id(session, "--session"), grace=0.0
        )
        question = _question(data_dir, spec, job, session, made.scheduled_for)
        _end_of_run(store, question, wait=wait, as_json=as_json)


@click.command()
@click.argument("agent")
@click.argument("job")
@click.option("--from", "first", required=True, help="The first due time, as 2026-01-31T09:00:00Z.")
@click.option("--to", "last", required=True, help="The last one. Both are included.")
@json_option
@instance_option
def backfill(agent: str, job: str, first: str, last: str, data_dir: Path, *, as_json: bool) -> None:
    """Run a job for the due times of a span in the past that have no tick."""
    from pumice.agents.job_times import checked_time
    from pumice.sessions import job_runs

    spec = served_spec(data_dir, agent)
    bounds = checked_time(first, "--from"), checked_time(last, "--to")
    with open_store(data_dir) as store:
        made = job_runs.backfill(store, agent, job, spec.jobs.get(job), *bounds)
    if as_json:
        print_json({"from": bounds[0], "to": bounds[1], "ticks": made.ticks, "existing": made.existing})
        return
    click.echo(clean(f"{agent}/{job} runs for {made.ticks} due times; {made.existing} had a tick"))


@click.command()
@click.argument("agent")
@click.argument("job")
@click.argument("session")
@click.argument("at")
@json_option
@instance_option
def explain(agent: str, job: str, session: str, at: str, data_dir: Path, *, as_json: bool) -> None:
    """Say what happened in a session at a job's due time (2026-01-31T09:00:00Z), or what its run waits for.

    The session of a static job is -.
    """
    from pumice.agents.job_times import checked_time
    from pumice.sessions.job_explain import explain as tell

    spec = served_spec(data_dir, agent)
    question = _question(data_dir, spec, job, session, checked_time(at, "at"))
    with open_store(data_dir) as store:
        _print(tell(store, question).document(), as_json=as_json)


COMMANDS = (run, backfill, explain)


def _question(data_dir: Path, spec: "AgentSpec", job: str, session: str, at: datetime) -> "Question":
    from pumice.sessions.job_facts import Question, asked_session

    declared = spec.jobs.get(job)
    session_id = asked_session(declared, job, None if session == ALL else session)
    return Question(spec.id, job, declared, session_id, at, settings_of(data_dir).retention_days * 86_400)


def _end_of_tick(store: "StoreConnection", agent: str, job: str, at: datetime, *, wait: bool, as_json: bool) -> None:
    """Print a tick that was just made or, after waiting for its end, what became of it."""
    from pumice.sessions.job_documents import tick_document
    from pumice.sessions.job_rows import follow_tick

    def read() -> dict[str, Any]:
        found = follow_tick(store, agent, job, at)
        return {} if found is None else tick_document(found)

    found = show_progress(read, _reached(job)) if wait else read()
    if as_json:
        print_json(found)
    elif not wait:
        click.echo(clean(f"{agent}/{job} runs now, as that of {at.isoformat()}"))
    else:
        click.echo(clean(f"{agent}/{job}: {found['done']} done, {found['failed']} failed, {found['skipped']} skipped"))
    if wait and found["failed"]:
        sys.exit(FAILED)


def _reached(job: str) -> Callable[[dict[str, Any]], Reached]:
    def reached(tick: dict[str, Any]) -> Reached:
        seen = tick["done"] + tick["failed"] + tick["skipped"]
        return Reached(job, seen, tick["sessions"], tick["doneAt"] is not None)

    return reached


def _end_of_run(store: "StoreConnection", question: "Question", *, wait: bool, as_json: bool) -> None:
    """Print a run that was just made or, after waiting for its end, what became of it."""
    from pumice.sessions.job_explain import explain as tell

    def read() -> dict[str, Any]:
        return tell(store, question).document()

    def reached(document: dict[str, Any]) -> Reached:
        over = document["outcome"] != "waiting"
        return Reached(question.name, int(over), 1, over)

    found = show_progress(read, reached) if wait else read()
    _print(found, as_json=as_json)
    if wait and found["outcome"] == "failed":
        sys.exit(FAILED)


def _print(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    reason = f": {found['reason']}" if found["reason"] else ""
    click.echo(clean(f"{found['scheduledFor']} {found['outcome']}{reason}"))
    shown = ("interactionId", "startedAt", "finishedAt", "dueBefore", "dueAfter")
    for name in shown:
        if found[name] is not None:
            click.echo(clean(f"  {name}: {found[name]}"))
