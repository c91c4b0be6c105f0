"""A progress bar for what workers do meanwhile."""

import sys
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import click

INTERVAL = 0.2
"""Seconds between two looks."""
WIDTH = 20

T = TypeVar("T")


class Reached(NamedTuple):
    """How far something is: `seen` of `length`, which may still grow."""

    label: str
    seen: int
    length: int
    over: bool


def show_progress(read: Callable[[], T], reached: Callable[[T], Reached]) -> T:
    """Show a bar on stderr until what is read is over. Returns what was read last."""
    found = read()
    at = reached(found)
    with click.progressbar(length=at.length, label=at.label, file=sys.stderr) as bar:
        shown = 0
        while True:
            bar.length = max(at.length, at.seen)
            bar.update(at.seen - shown)
            shown = at.seen
            if at.over:
                return found
            time.sleep(INTERVAL)
            found = read()
            at = reached(found)


def bar_of(seen: int, length: int) -> str:
    """A bar as text, for a table."""
    share = min(seen / length, 1.0) if length else 0.0
    filled = int(share * WIDTH)
    return f"[{'#' * filled}{'-' * (WIDTH - filled)}] {int(share * 100):3}%"
