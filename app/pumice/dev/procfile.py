"""The Procfile's commands, as this installation runs them."""

import http.client
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path

from pumice.dev.launch import Launch

SERVICES = ("web", "worker", "beat")


def release(environ: Mapping[str, str]) -> Launch:
    """The Procfile's `release`."""
    return Launch("release", [*_pumice(), "db", "upgrade"], Path.cwd(), environ)


def service(name: str, environ: Mapping[str, str]) -> Callable[[], Launch]:
    """The Procfile's `name`, for each start anew."""
    return lambda: Launch(name, [*_pumice(), name], Path.cwd(), environ)


def answers(url: str) -> bool:
    """Does a GET of `url` answer 200 within a second?"""
    try:
        with urllib.request.urlopen(url, timeout=1) as response:  # noqa: S310 (our own front's address)
            return bool(response.status == HTTPStatus.OK)
    except (urllib.error.URLError, http.client.HTTPException, OSError):
        return False


def _pumice() -> list[str]:
    """The command that belongs to the running Python, installed or not."""
    script = Path(sys.executable).with_name("pumice")
    return [str(script)] if script.exists() else [sys.executable, "-m", "pumice.cli"]
