"""The one way in: backpressure, the agent's policy for a busy session, the group commit, and who is told."""

from collections.abc import Iterable
from typing import Any

import orjson
import redis

from pumice.agents.spec import AgentSpec
from pumice.logs import Outage
from pumice.messaging.events import CONTROL, Event, EventPublisher, Reply
from pumice.messaging.redis_connection import connect
from pumice.messaging.wakes import Wake, WakePublisher
from pumice.sessions.accept import Accepted, NewInteraction
from pumice.sessions.busy_policy import accept_busy
from pumice.sessions.connections import StoreConnections
from pumice.sessions.finished import FinishedInteraction
from pumice.settings import Settings
from pumice.web.http.group_accept import GroupAccept
from pumice.web.http.limits import QueueLimits


class Intake:
    """Accepts interactions for a front process."""

    def __init__(self, settings: Settings, connections: StoreConnections, store_away: Outage) -> None:
        self._settings = settings
        self._connections = connections
        self._wakes = WakePublisher(settings)
        self._acceptor = GroupAccept(settings, self._wakes, store_away)
        self._limits = QueueLimits(settings, connections)
        self._events = EventPublisher(settings)
        self._control = connect(settings.redis_url)

    def accept(self, spec: AgentSpec, wanted: NewInteraction) -> Accepted:
        """Accept durably. Raises `TooMany`, `Busy`, `StoreAway`; then nothing was written."""
        self._limits.enter(wanted.agent_id, wanted.session_id)
        try:
            return self._accept(spec, wanted)
        finally:
            self._limits.leave(wanted.agent_id, wanted.session_id)

    def _accept(self, spec: AgentSpec, wanted: NewInteraction) -> Accepted:
        policy = spec.cls.on_busy
        if wanted.kind != "chat" or policy == "queue":
            return self._acceptor.accept(wanted)
        if policy == "interrupt":
            accepted = self._acceptor.accept(wanted)
            if not accepted.duplicate:
                self.order({"interrupt": [wanted.agent_id, wanted.session_id], "by": accepted.id})
            return accepted
        return self._accept_busy(wanted, policy)

    def _accept_busy(self, wanted: NewInteraction, policy: str) -> Accepted:
        settings = self._settings
        with self._connections.borrow() as store:
            outcome = accept_busy(
                store, wanted, policy, temporary_ttl=settings.temporary_ttl, window=settings.dedupe_window
            )
        if not outcome.accepted.duplicate:
            self._wakes.wake([Wake.of(wanted.agent_id, wanted.session_id, wanted.kind)])
            self.tell_finished(wanted.agent_id, wanted.session_id, outcome.superseded)
        return outcome.accepted

    def wake(self, wakes: Iterable[Wake]) -> None:
        """Have sessions woken."""
        self._wakes.wake(wakes)

    def tell_finished(
        self, agent_id: str, session_id: str, finished: Iterable[tuple[FinishedInteraction, str | None]]
    ) -> None:
        """Tell streams, and the fronts named, of interactions that a request ended."""
        for one, front_id in finished:
            self._events.publish(*(Event.of(agent_id, session_id, event) for event in one.events()))
            if front_id is not None:
                self._events.publish(Reply(front_id, one))

    def tell(self, agent_id: str, session_id: str, event: dict[str, Any]) -> None:
        """Tell all who watch a session of an event."""
        self._events.publish(Event.of(agent_id, session_id, event))

    def order(self, order: dict[str, Any]) -> None:
        """Send an order to the workers. Lost when Redis is away: orders only make sooner what happens anyway."""
        try:
            self._control.publish(CONTROL, orjson.dumps(order))
        except redis.RedisError:
            return
