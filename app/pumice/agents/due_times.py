"""What of a schedule made at run time is due, and when it is due next. Pure functions of the times they are given."""

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from pumice.agents.schedules import Cron, due_between, is_due

MOST_MISSED = 1_000
"""Due times of a cron expression up to which missed ones are counted."""


@dataclass(frozen=True, slots=True)
class DueTimes:
    """at: the newest due time, None when there is none yet. missed: how many came before it. next_at: the next one."""

    at: datetime | None
    missed: int
    next_at: datetime | None


def due_times(next_at: datetime, now: datetime, *, cron: str | None, every: float | None, zone: tzinfo) -> DueTimes:
    """What is due at `now` of a schedule that was looked after until just before `next_at`.

    A schedule with neither `cron` nor `every` (seconds) is due once. Where a cron expression's timezone has changed,
    `next_at` may be no due time of it.
    """
    if every is not None:
        step = timedelta(seconds=every)
        passed = (now - next_at) // step
        return DueTimes(next_at + passed * step, passed, next_at + (passed + 1) * step)
    if cron is None:
        return DueTimes(next_at, 0, None)
    schedule = Cron(cron)
    first = next_at if is_due(schedule, next_at, zone) else schedule.next(next_at, zone)
    if first is None or first > now:
        return DueTimes(None, 0, first)
    newest, missed = first, 0
    for due in due_between(schedule, first, now, zone):
        newest, missed = due, missed + 1
        if missed == MOST_MISSED:
            newest = schedule.latest(now, zone) or newest
            break
    return DueTimes(newest, missed, schedule.next(newest, zone))
