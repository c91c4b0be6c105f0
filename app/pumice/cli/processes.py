"""The Procfile's processes. Each replaces this process, so that signals reach it directly.

One that can't work ends with one line: before that, for a wrong setting or a schema of another version; after it, when
the agents don't load, or the port is taken (see `pumice.web.gunicorn_conf` and `pumice_workers.starting`).
"""

import os
import sys
from pathlib import Path

import click

from pumice.cli.honcho import honcho_process
from pumice.settings import OUTGOING, Settings


@click.command()
@honcho_process
def web(honcho_process: str) -> None:
    """Serve HTTP and WebSockets (gunicorn)."""
    from pumice.agents.registry import load_agents
    from pumice.cli.preflight import check_database, serving_settings

    settings = serving_settings()
    # gunicorn would load them only in its children, whose ends it reports in its own words.
    load_agents(settings.agents, settings.middleware)
    check_database(settings, wait=False, migrating=bool(honcho_process))
    _become("gunicorn", ["-c", "python:pumice.web.gunicorn_conf", "pumice.web.wsgi:app"])


@click.command()
@honcho_process
def worker(honcho_process: str) -> None:
    """Run sessions (a Celery worker)."""
    from pumice.cli.preflight import check_database, serving_settings

    settings = serving_settings()
    check_database(settings, wait=True, migrating=bool(honcho_process))
    _become("celery", worker_arguments(settings))


@click.command()
@honcho_process
def beat(honcho_process: str) -> None:
    """Start jobs when they are due (Celery beat); any number of these may run."""
    from pumice.cli.preflight import check_database, serving_settings

    settings = serving_settings()
    check_database(settings, wait=True, migrating=bool(honcho_process))
    _become("celery", beat_arguments(settings))


def worker_arguments(settings: Settings) -> list[str]:
    """Celery's arguments for a worker. Gossip, mingling and heartbeats serve what Pumice doesn't use."""
    from pumice.messaging.wakes import queue_of

    taken = settings.worker_queues.split(",")
    # Celery reads nothing for outgoing events; a worker for them alone listens to a queue that stays empty.
    queues = [queue_of(name, settings.release) for name in taken if name != OUTGOING or len(taken) == 1]
    return [
        *("-A", "pumice_workers.celery_app", "--quiet", "worker"),
        f"--pool={settings.worker_pool}",
        f"--concurrency={settings.worker_concurrency}",
        f"--queues={','.join(queues)}",
        f"--loglevel={settings.log_level}",
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]


def beat_arguments(settings: Settings) -> list[str]:
    """Celery's arguments for beat. The scheduler keeps its state in Postgres: the schedule file goes nowhere."""
    return [
        *("-A", "pumice_workers.celery_app", "--quiet", "beat"),
        *("--scheduler", "pumice_workers.beat:TickScheduler"),
        f"--schedule={os.devnull}",
        f"--loglevel={settings.log_level}",
    ]


def _become(program: str, arguments: list[str]) -> None:
    script = Path(sys.executable).with_name(program)
    os.execv(script, [str(script), *arguments])  # noqa: S606 (this process is to become that one)
