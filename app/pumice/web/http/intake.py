"""The one way in: backpressure, the agent's policy for a busy session, the group commit, and who is told."""

import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import orjson
import redis

from pumice.agents.spec import AgentSpec
from pumice.errors import OTHER_BODY, InvalidField
from pumice.logs import Outage
from pumice.messaging.events import CONTROL, Event, EventPublisher, Reply, stream_key
from pumice.messaging.redis_connection import connect
from pumice.messaging.wakes import Wake, WakePublisher
from pumice.sessions.accept import Accepted, NewInteraction
from pumice.sessions.connections import StoreConnections
from pumice.sessions.finished import FinishedInteraction
from pumice.settings import Settings
from pumice.web.http.group_accept import GroupAccept
from pumice.web.http.hand_over import HandOver
from pumice.web.http.limits import QueueLimits
from pumice.web.http.locking_accept import LockingAccept

LOCK_WAIT = 0.1
"""Seconds that a statement of an accept waits for a lock."""
LOCK_CONNECTIONS = 4


class Intake:
    """Accepts interactions for a front process."""

    def __init__(self, settings: Settings, store_away: Outage) -> None:
        connections = StoreConnections(settings, LOCK_CONNECTIONS, lock_wait=LOCK_WAIT)
        self._wakes = WakePublisher(settings)
        self._acceptor = GroupAccept(settings, self._wakes, store_away, connections)
        self._limits = QueueLimits(settings, connections)
        self._hand_over = HandOver(settings, self._wakes, store_away)
        self._locking = LockingAccept(settings, connections, self._limits)
        self._events = EventPublisher(settings)
        self._control = connect(settings.redis_url)

    def accept(self, spec: AgentSpec, wanted: NewInteraction) -> Accepted:
        """Accept durably. When this raises, nothing was written.

        Raises `TooMany`, `Busy`, `StoreBusy`, `StoreAway`, and `InvalidField` for an Idempotency-Key that came with
        another body.
        """
        self._hand_over.wait_for(wanted.agent_id, wanted.session_id)
        has_room = self._limits.enter(wanted.agent_id, wanted.session_id)
        try:
            accepted = self._accept(spec, wanted, near_limit=not has_room)
        finally:
            self._limits.leave(wanted.agent_id, wanted.session_id)
        if accepted.differs:
            raise InvalidField("Idempotency-Key", OTHER_BODY)
        return accepted

    def hands_over(self, spec: AgentSpec, wanted: NewInteraction, over: threading.Event) -> bool:
        """Have a worker accept a chat and run it at once, if that is of use.

        over: set when it is finished. Returns whether that came in time; if not, accept it.
        """
        key = wanted.agent_id, wanted.session_id
        if not self._hand_over.takes(spec, wanted) or not self._limits.enter_idle(*key):
            return False
        finishes = False
        try:
            finishes = self._hand_over.finishes(wanted, over)
        finally:
            self._limits.leave(*key)
            if not finishes:
                self._limits.finished(*key)  # accepting it counts it in again
        return finishes

    def finished(self, wanted: NewInteraction) -> None:
        """Note that what was accepted does not wait any more: it makes room without a look."""
        self._limits.finished(wanted.agent_id, wanted.session_id)

    def _accept(self, spec: AgentSpec, wanted: NewInteraction, *, near_limit: bool) -> Accepted:
        policy = spec.cls.on_busy
        queues = wanted.event_at is None and (wanted.kind != "chat" or policy in {"queue", "interrupt"})
        if queues and not near_limit:
            accepted = self._acceptor.accept(wanted)
        else:
            accepted = self._accept_alone(wanted, policy, near_limit=near_limit)
        if wanted.kind == "chat" and policy == "interrupt" and not accepted.duplicate:
            self.order({"interrupt": [wanted.agent_id, wanted.session_id], "by": accepted.id})
        return accepted

    def _accept_alone(self, wanted: NewInteraction, policy: str, *, near_limit: bool) -> Accepted:
        admission = self._locking.accept(wanted, policy, near_limit=near_limit)
        if admission.accepted.starts:
            self._wakes.wake([Wake.of(wanted.agent_id, admission.accepted.session_id, wanted.kind)])
            self.tell_finished(wanted.agent_id, wanted.session_id, admission.superseded)
        return admission.accepted

    def wake(self, wakes: Iterable[Wake]) -> None:
        """Have sessions woken."""
        self._wakes.wake(wakes)

    def fan_out(self, agent_id: str, job: str, scheduled_for: datetime) -> None:
        """Have a tick fanned out soon."""
        self._wakes.fan_out(agent_id, job, scheduled_for.astimezone(UTC).isoformat())

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

    def forget(self, agent_id: str, session_id: str) -> None:
        """Forget the events of a session. While Redis is away they stay until their time is over, `EVENT_TTL`."""
        try:
            self._control.delete(stream_key(agent_id, session_id))
        except redis.RedisError:
            return

    def order(self, order: dict[str, Any]) -> None:
        """Send an order to the workers. Lost when Redis is away: orders only make sooner what happens anyway."""
        try:
            self._control.publish(CONTROL, orjson.dumps(order))
        except redis.RedisError:
            return
