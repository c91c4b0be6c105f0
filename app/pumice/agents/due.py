"""When a job is due: cron expressions read in the job's timezone. Pure functions of the times they are given."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from croniter import croniter

from pumice.agents.handlers import Job


def next_due(job: Job, after: datetime) -> datetime:
    """The job's first due time after `after`, in UTC, read in the job's timezone.

    A time of day that the clocks skip is due when they have skipped it; one that comes twice only the first time,
    unless the expression's minute or hour begins with `*` (as in crontab(5)).
    """
    dues = croniter(job.cron, after.astimezone(job.zone))
    return _first(job, dues, dues.all_next(datetime))


def latest_missed(job: Job, last: datetime, now: datetime, catch_up: float) -> datetime | None:
    """The job's newest due time in (last, now] that is at most `catch_up` seconds old; None when there is none."""
    start = max(last, now - timedelta(seconds=catch_up))
    dues = croniter(job.cron, (now + timedelta(microseconds=1)).astimezone(job.zone))
    due = _first(job, dues, dues.all_prev(datetime))
    return due if start < due <= now else None


def _first(job: Job, cron: croniter, dues: Iterator[datetime]) -> datetime:
    """The first of these due times that is not one of the day's times coming again, in UTC."""
    comes_again = not any(field.startswith("*") for field in cron.expressions[:2])
    found = (due.astimezone(UTC) for due in dues)
    return next(due for due in found if not (comes_again and due.astimezone(job.zone).fold))
