"""What the runner and those beside it work with, all of one worker process."""

from dataclasses import dataclass

from app.agents.registry import Registry
from app.events import EventPublisher
from app.sessions.lanes import Lanes
from app.settings import Settings
from app.wakes import WakePublisher
from workers.again import SecondLook
from workers.committer import Committer
from workers.loop import EventLoop


@dataclass(frozen=True, slots=True)
class Parts:
    """One process's parts; see `workers.runtime`."""

    settings: Settings
    registry: Registry
    lanes: Lanes
    committer: Committer
    events: EventPublisher
    wakes: WakePublisher
    again: SecondLook
    loop: EventLoop
