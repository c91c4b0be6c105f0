"""Whether a chat is handed to a worker before it is accepted, and whether that worker finished it in time.

A lone chat whose turn is short is answered sooner so: its accept needs no round trip and no disk of its own (see
`pumice.messaging.handed_chats`). A crowd is better off with the front's group commit, and a slow turn gains nothing.
"""

import threading
import time

from pumice.agents.spec import AgentSpec
from pumice.logs import Outage
from pumice.messaging.handed_chats import handed_over
from pumice.messaging.redis_transport import REDIS_SCHEMES
from pumice.messaging.wakes import WakePublisher
from pumice.sessions.accept import NewInteraction
from pumice.settings import Settings

PATIENCE = 0.25
"""Seconds that a worker has to finish a chat before the front accepts it itself."""
REST = 10.0
"""Seconds for which an agent's chats are not handed over after one that was not finished in time."""
MOST = 8
"""Chats of one front that are handed over at a time."""
LARGEST = 16_384
"""Characters of a payload that goes through the broker."""
TRACKED = 10_000


class HandOver:
    """Hands chats over, for one front process."""

    def __init__(self, settings: Settings, wakes: WakePublisher, store_away: Outage) -> None:
        """`store_away`: while it is, the front accepts, which tells whether it still is."""
        is_redis = settings.broker.partition("://")[0] in REDIS_SCHEMES
        self._is_possible = is_redis and not settings.runs_stock("kombu") and not settings.runs_stock("celery")
        self._wakes = wakes
        self._store_away = store_away
        self._under_way: dict[tuple[str, str], threading.Event] = {}
        self._rests_until: dict[str, float] = {}

    def takes(self, spec: AgentSpec, wanted: NewInteraction) -> bool:
        """Whether to hand an interaction over: a small chat that nobody repeats, of an agent whose chats queue.

        Of one session, one at a time: two would be accepted in the order in which workers come to them.
        """
        return (
            self._is_possible
            and not self._store_away
            and wanted.kind == "chat"
            and wanted.dedupe is None
            and wanted.reply_to is not None
            and spec.cls.on_busy == "queue"
            and len(self._under_way) < MOST
            and (wanted.agent_id, wanted.session_id) not in self._under_way
            and len(wanted.payload) <= LARGEST
            and time.monotonic() >= self._rests_until.get(spec.id, 0.0)
        )

    def wait_for(self, agent_id: str, session_id: str) -> None:
        """Wait until no chat of a session is handed over any more: what comes after it is to be accepted after it."""
        ended = self._under_way.get((agent_id, session_id))
        if ended is not None:
            ended.wait(PATIENCE)

    def finishes(self, wanted: NewInteraction, over: threading.Event) -> bool:
        """Hand an interaction over. Returns whether `over` was set in time; if not, it is to be accepted."""
        key = wanted.agent_id, wanted.session_id
        ended = self._under_way[key] = threading.Event()
        try:
            if self._wakes.send(handed_over(wanted)) and over.wait(PATIENCE):
                return True
        finally:
            del self._under_way[key]
            ended.set()
        if len(self._rests_until) >= TRACKED:
            self._rests_until.clear()
        self._rests_until[wanted.agent_id] = time.monotonic() + REST
        return False
