"""Beats: each has a row, so that `pumice health beat` sees that it lives."""

from datetime import datetime
from typing import NamedTuple

from pumice.sessions.connections import StoreConnection
from pumice.sessions.statements import Statement


class _Now(NamedTuple):
    now: datetime


SHOW = Statement(
    "show_beat",
    """
insert into beats (name) values (%s)
on conflict (name) do update set seen_at = clock_timestamp() returning clock_timestamp() as now
""",
    _Now,
)
"""Says that the beat of this name lives, and returns the time."""


def show_beat(store: StoreConnection, name: str) -> datetime:
    """Say that the beat of this name (`host:pid`) lives. Returns the time by Postgres. Raises `StoreAwayError`."""
    return store.fetch(SHOW, (name,))[0].now
