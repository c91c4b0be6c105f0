"""A job: a handler run by the clock, as it was declared."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import md5
from zoneinfo import ZoneInfo

from pumice.agents.conditions import Condition
from pumice.agents.handlers import Handler
from pumice.agents.schedules import Cron, Every, Schedule, next_dues

SESSION_ZONE = "session"
"""The timezone of a job that runs at each session's own local time."""


class Overlap(StrEnum):
    """What happens to a run that is due while the session's previous run of the same job is not finished."""

    SKIP = "skip"
    QUEUE = "queue"
    CANCEL = "cancel"


class CatchUp(StrEnum):
    """Which of the due times that were missed are run when a beat is back."""

    ONE = "one"
    ALL = "all"
    NONE = "none"


class Anchor(StrEnum):
    """From when the intervals of `every=` are counted."""

    EPOCH = "epoch"
    CREATED = "created"


@dataclass(frozen=True)
class Job(Handler):
    """A handler run by the clock.

    timezone: in which the schedule is read; `session` for each session's own. catch_up_window: seconds, None for the
    setting. jitter: seconds by which a session's runs come later, always the same for a session. by_creation: each
    session's intervals begin with its creation. condition: which sessions it runs on. temporary: whether it runs on
    temporary sessions too.
    """

    name: str = ""
    schedule: Schedule = field(default_factory=lambda: Cron("* * * * *"))
    timezone: str = "UTC"
    overlap: Overlap = Overlap.SKIP
    catch_up: CatchUp = CatchUp.ONE
    catch_up_window: float | None = None
    jitter: float = 0.0
    by_creation: bool = False
    condition: Condition | None = None
    temporary: bool = False

    @property
    def is_local(self) -> bool:
        """Whether it runs at each session's own local time."""
        return self.timezone == SESSION_ZONE

    @property
    def zone(self) -> ZoneInfo:
        """The timezone that the schedule is read in; UTC for sessions without one of their own."""
        return ZoneInfo("UTC" if self.is_local else self.timezone)

    @property
    def declaration(self) -> str:
        """What says that a job is still scheduled as it was: its schedule, its timezone and its anchor."""
        return " ".join([self.schedule.text, self.timezone, *(["from creation"] if self.by_creation else [])])

    def begun(self, created_at: datetime) -> Schedule:
        """The schedule of a session that was created then: its own, if its intervals begin with its creation."""
        if self.by_creation and isinstance(self.schedule, Every):
            return replace(self.schedule, anchor=created_at.replace(microsecond=0))
        return self.schedule

    def delay(self, session_id: str) -> timedelta:
        """How much later than due a session's runs come, for the jitter: always the same for a session."""
        digest = md5(f"{self.name}/{session_id}".encode(), usedforsecurity=False).hexdigest()
        return timedelta(seconds=self.jitter * (int(digest[:8], 16) / 2**32))


def next_times(job: Job, now: datetime, count: int = 3) -> list[datetime]:
    """The job's next due times after `now`, in its timezone, oldest first; fewer where it is not due any more.

    Of a job at each session's own local time, those of a session in UTC. Empty for one that is anchored to creations.
    """
    if job.by_creation:
        return []
    return [due.astimezone(job.zone) for due in next_dues(job.schedule, now, count, job.zone)]
