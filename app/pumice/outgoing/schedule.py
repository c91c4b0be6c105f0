"""When an attempt is made again, and what an answer means for it."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

DELAYS = (5.0, 30.0, 120.0, 600.0, 3_600.0, 14_400.0, 43_200.0, 86_400.0, 86_400.0)
"""Seconds from each failed attempt to the next; after the last of them the delivery has failed. Together 2.7 days."""
JITTER = 0.2
"""The part by which a delay is longer or shorter, at random, so that not all come back at once."""
LONGEST_HOLD = 86_400.0
"""Seconds for which an endpoint may ask for nothing, at the most."""
GONE = 410
HOLDING = frozenset({429, 503})
"""Statuses whose Retry-After counts."""


def delay_after(attempts: int, chance: Callable[[], float] = random.random) -> float | None:
    """Seconds from the failed attempt of this number, counted from 1, to the next; None when there is none."""
    if attempts > len(DELAYS):
        return None
    return DELAYS[attempts - 1] * (1 + JITTER * (2 * chance() - 1))


def hold_of(status: int, retry_after: str | None, now: datetime | None = None) -> float | None:
    """Seconds for which an endpoint that gave this answer is to get nothing; None where it does not say so."""
    if status not in HOLDING or not retry_after:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_HOLD)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    seconds = (until - (now or datetime.now(UTC))).total_seconds()
    return min(seconds, LONGEST_HOLD) if seconds > 0 else None
