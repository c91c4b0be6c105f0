"""A job: a handler run by the clock, as it was declared."""

from dataclasses import dataclass, field
from enum import StrEnum
from zoneinfo import ZoneInfo

from pumice.agents.conditions import Condition
from pumice.agents.handlers import Handler
from pumice.agents.schedules import Cron, Schedule

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
