"""`pumice health`: do this host's processes work? For health checks: one line, exit status 0 or 1."""

import http.client
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pumice.cli.failing import one_line
from pumice.cli.instance import instance_option, settings_of
from pumice.cli.output import json_option, print_json
from pumice.settings import Settings

PROCESSES = ("web", "worker", "beat")
ANSWER_TIMEOUT = 4.0
"""Seconds that a front has for its answer: less than a health check of docker compose waits."""
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104 (compared, not bound)
"""Addresses to listen on, and where a front that does can be asked."""

Health = tuple[bool, str]


@click.command()
@click.argument("process", type=click.Choice(PROCESSES), required=False)
@json_option
@instance_option
def health(process: str | None, data_dir: Path, *, as_json: bool) -> None:
    """Say whether this host's web, worker or beat works; without a name, whether all three do.

    The front is asked for /readyz on PORT. A worker and a beat are alive when Postgres has seen them within 10 s.
    """
    settings = settings_of(data_dir)
    found = {name: _CHECKS[name](settings) for name in ([process] if process else PROCESSES)}
    well = all(healthy for healthy, _ in found.values())
    if as_json:
        print_json({name: {"ok": healthy, "message": text} for name, (healthy, text) in found.items()})
    else:
        for name, (_, text) in found.items():
            click.echo(f"{name}: {text}")
    sys.exit(0 if well else 1)


def _web(settings: Settings) -> Health:
    url = f"http://{EVERYWHERE.get(settings.host, settings.host)}:{settings.port}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_TIMEOUT):
            return True, f"ready at {url.removesuffix('/readyz')}"
    except urllib.error.HTTPError as error:
        return False, f"{url} answers {error.code}"
    except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
        return False, f"{url} doesn't answer: {one_line(error)}"


def _worker(settings: Settings) -> Health:
    from pumice.sessions.signs_of_life import workers_of

    return _seen(settings, "worker", workers_of)


def _beat(settings: Settings) -> Health:
    from pumice.sessions.signs_of_life import beats_of

    return _seen(settings, "beat", beats_of)


def _seen(settings: Settings, what: str, ask: Callable[[str, str], list[Any]]) -> Health:
    host = socket.gethostname()
    signs = ask(settings.database_url, host)
    alive = [sign for sign in signs if sign.alive]
    if alive:
        return True, f"{', '.join(sign.name for sign in alive)} seen {alive[0].silent:.0f} s ago"
    if signs:
        return False, f"{signs[0].name} was seen last {signs[0].silent:.0f} s ago"
    return False, f"Postgres has seen no {what} of this host ({host})"


_CHECKS: dict[str, Callable[[Settings], Health]] = {"web": _web, "worker": _worker, "beat": _beat}
