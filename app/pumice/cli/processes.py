"""The Procfile's processes. Each replaces this process, so that signals reach it directly."""

import os
import sys
from pathlib import Path

import click

from pumice.settings import Settings


@click.command()
def web() -> None:
    """Serve HTTP and WebSockets (gunicorn)."""
    Settings.from_env()
    _become("gunicorn", ["-c", "python:pumice.web.gunicorn_conf", "pumice.web.wsgi:app"])


@click.command()
def worker() -> None:
    """Run sessions (a Celery worker)."""
    _become("celery", worker_arguments(Settings.from_env()))


@click.command()
def beat() -> None:
    """Start jobs when they are due (Celery beat); any number of these may run."""
    _become("celery", beat_arguments(Settings.from_env()))


def worker_arguments(settings: Settings) -> list[str]:
    """Celery's arguments for a worker. Gossip, mingling and heartbeats serve what Pumice doesn't use."""
    return [
        *("-A", "pumice_workers.celery_app", "--quiet", "worker"),
        f"--pool={settings.worker_pool}",
        f"--concurrency={settings.worker_concurrency}",
        f"--queues={settings.worker_queues}",
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
