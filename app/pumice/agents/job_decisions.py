"""What becomes of a job's due times: which are run now, and which are not, and why. Pure functions of the times given.

A due time that is found no later than `ON_TIME` was not missed. Of those that were, `catch_up` says which are run, if
no more than the job's window of seconds has passed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import islice

from pumice.agents.jobs import CatchUp, Job
from pumice.agents.schedules import due_between
from pumice.agents.states import Reason, TickKind

ON_TIME = timedelta(seconds=10)
"""How late a due time may be found and still not be missed: a beat that is restarted needs some seconds."""
MOST = 10_000
"""Due times that are decided at once; the next decision goes on from there."""
COUNTED = 1_000
"""Due times that are counted of those that are too old: there may be millions."""


@dataclass(frozen=True, slots=True)
class Due:
    """A due time to run.

    missed: how many before it were folded into it. zones: only sessions in these; None for all.
    """

    at: datetime
    kind: TickKind
    missed: int = 0
    queues: bool = False
    zones: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Due times, one after the other, that are not run, all for one reason."""

    first: datetime
    last: datetime
    reason: Reason
    count: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of the due times up to `until`, the newest of them."""

    until: datetime
    dues: tuple[Due, ...] = ()
    gaps: tuple[Gap, ...] = ()


def decide(
    job: Job, after: datetime, now: datetime, *, window: float, paused: bool, zones: Mapping[str, tzinfo]
) -> Decision | None:
    """Decide what becomes of a job's due times in (after, now]. Returns None when there is none.

    window: seconds that may have passed since a due time that is caught up with. zones: those in which it is read, by
    name; for a job that is not local, its own alone.
    """
    oldest = now - max(timedelta(seconds=window), ON_TIME)
    gaps = [gap] if (gap := _too_old(job, after, oldest, zones, paused=paused)) else []
    found, until = _dues(job, max(after, oldest), now, zones)
    young = sorted(found)
    if not young:
        return Decision(gaps[0].last, gaps=tuple(gaps)) if gaps else None
    if paused:
        return Decision(until, gaps=(*gaps, _gap(young, Reason.PAUSED)))
    late = [time for time in young if time < now - ON_TIME]
    if job.catch_up == CatchUp.NONE and late:
        gaps.append(_gap(late, Reason.CATCH_UP))
        young = young[len(late) :]
    if job.catch_up == CatchUp.ALL:
        dues = [_due(job, time, found[time], now, queues=len(young) > 1) for time in young]
        return Decision(until, tuple(dues), tuple(gaps))
    dues, folded = ([], young) if len(young) == MOST else _newest(job, young, found, now)
    if folded:
        gaps.append(_gap(folded, Reason.FOLDED))
    return Decision(until, tuple(dues), tuple(gaps))


def _too_old(job: Job, after: datetime, oldest: datetime, zones: Mapping[str, tzinfo], *, paused: bool) -> Gap | None:
    """The due times in (after, oldest], which nothing catches up with. Only the first `COUNTED` are counted."""
    if after >= oldest:
        return None
    reason = Reason.PAUSED if paused else Reason.CATCH_UP
    times = {
        time for zone in zones.values() for time in islice(due_between(job.schedule, after, oldest, zone), COUNTED)
    }
    if not times:
        return None
    last = max(time for zone in zones.values() if (time := job.schedule.latest(oldest, zone)) is not None)
    return Gap(min(times), last, reason, min(len(times), COUNTED))


def _dues(
    job: Job, after: datetime, now: datetime, zones: Mapping[str, tzinfo]
) -> tuple[dict[datetime, set[str]], datetime]:
    """The oldest due times in (after, now], `MOST` at the most, each with its zones; and the newest of them."""
    found: dict[datetime, set[str]] = {}
    for name, zone in zones.items():
        for time in islice(due_between(job.schedule, after, now, zone), MOST):
            found.setdefault(time, set()).add(name)
    first = sorted(found)[:MOST]
    return {time: found[time] for time in first}, first[-1] if first else after


def _newest(
    job: Job, young: list[datetime], found: Mapping[datetime, set[str]], now: datetime
) -> tuple[list[Due], list[datetime]]:
    """The newest due time of each zone, and the due times that are nobody's newest."""
    newest: dict[str, datetime] = {}
    for time in young:
        newest.update(dict.fromkeys(found[time], time))
    dues = []
    for time in sorted(set(newest.values())):
        zones = {name for name, last in newest.items() if last == time}
        missed = max(sum(name in found[other] for other in young if other < time) for name in zones)
        dues.append(_due(job, time, zones, now, missed=missed, is_part=zones != found[time]))
    run = set(newest.values())
    return dues, [time for time in young if time not in run]


def _due(  # noqa: PLR0913 (what a due time is made of)
    job: Job,
    time: datetime,
    zones: set[str],
    now: datetime,
    *,
    missed: int = 0,
    queues: bool = False,
    is_part: bool = False,
) -> Due:
    """is_part: it is for these zones only, although others are due then too."""
    is_late = time < now - ON_TIME
    named = tuple(sorted(zones)) if job.is_local and (is_late or is_part) else None
    return Due(time, TickKind.CAUGHT_UP if is_late else TickKind.DUE, missed, queues, named)


def _gap(times: Iterable[datetime], reason: Reason) -> Gap:
    ordered = list(times)
    return Gap(ordered[0], ordered[-1], reason, len(ordered))
