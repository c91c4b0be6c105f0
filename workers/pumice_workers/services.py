"""What the runner and those beside it work with, all of one worker process."""

from dataclasses import dataclass

from pumice.agents.registry import Registry
from pumice.messaging.events import EventPublisher
from pumice.messaging.wakes import WakePublisher
from pumice.sessions.connections import StoreConnections
from pumice.settings import Settings
from pumice_workers.committer import Committer
from pumice_workers.event_loop import EventLoop
from pumice_workers.recheck import Recheck
from pumice_workers.releases import Releases


@dataclass(frozen=True, slots=True)
class Services:
    """One process's services; see `pumice_workers.worker_process`."""

    settings: Settings
    registry: Registry
    connections: StoreConnections
    committer: Committer
    events: EventPublisher
    wakes: WakePublisher
    recheck: Recheck
    loop: EventLoop
    releases: Releases
