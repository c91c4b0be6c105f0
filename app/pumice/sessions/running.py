"""Which interaction of a leased session is running, as far as Postgres shows it.

A turn that runs for longer than a moment is announced: its interaction has been started since the lease was taken.
Before that it is the first that was due when the lease was taken, but for one case: of several, the first may have been
committed after the claim, because a place in the order is given before the commit. Who must know then asks again: soon
the turn is announced, or over.
"""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol, TypeVar

from pumice.errors import PumiceError

PATIENCE = 0.25
"""Seconds that are waited for an announcement; then the first that was due is taken for the one that runs."""
PAUSE = 0.02

T = TypeVar("T")


class Due(Protocol):
    """A queued interaction of the session."""

    @property
    def id(self) -> str:
        """Its id."""

    @property
    def available_at(self) -> datetime:
        """Since when it has been due."""

    @property
    def started_at(self) -> datetime | None:
        """When it was announced."""


class UnsureError(PumiceError):
    """Several could be the one that runs; asked again, Postgres will know."""


def find_running(due: Sequence[Due], leased_at: datetime | None, *, sure: bool) -> str | None:
    """The interaction that runs, of those queued in the session, given in order; None when there is none.

    Raises `UnsureError` when it has to be `sure` and could be any of several.
    """
    could = [row for row in due if leased_at is None or row.available_at <= leased_at]
    announced = [row for row in could if row.started_at and leased_at and row.started_at >= leased_at]
    if announced:
        return max(announced, key=lambda row: row.started_at or row.available_at).id
    if sure and len(could) > 1:
        raise UnsureError
    return could[0].id if could else None


def when_sure(attempt: Callable[[bool], T]) -> T:
    """Call a function with whether it has to be sure, again as long as it is not; in the end it need not be."""
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        try:
            return attempt(True)
        except UnsureError:
            time.sleep(PAUSE)
    return attempt(False)
