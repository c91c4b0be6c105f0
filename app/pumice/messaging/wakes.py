"""Publishing wakes to Celery, by task name, off everybody's path.

A wake is a Celery message (protocol 2) for `pumice.run_sessions` with `[[agent_id, session_id], …]` as its argument. A
second argument may carry chats (see `handed_chats`).
It is disposable: when the broker is away it is dropped, and rescue wakes the sessions from Postgres. The message is
put together by `writers` rather than by `apply_async` (see docs/decisions.md).
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pumice.logs import Outage, get_logger
from pumice.messaging.group_flush import GroupFlush
from pumice.messaging.writers import BrokerAwayError, Message, writer_for
from pumice.settings import Settings

RUN_SESSIONS = "pumice.run_sessions"
FAN_OUT = "pumice.fan_out"
QUEUE_OF_KIND = {"chat": "chat", "socket": "chat", "hook": "hooks", "job": "jobs", "call": "jobs"}
LINGER = 0.02
"""Seconds that hook and job wakes gather for while others were published so recently; a lone one leaves at once."""
BACKLOG = 100_000
"""Wakes that may wait for a slow broker; further ones are left to rescue."""
SPREAD = 4
"""Messages into which what a slow wake has not started is divided."""
CHAT_MESSAGES = 16
"""Messages for chats that are published together; more chats than that share them."""

log = get_logger("pumice.wakes")


def queue_of(queue: str, release: str) -> str:
    """The queue of a release's workers: the stable ones have the plain names."""
    return f"{queue}.{release}" if release else queue


def base_queue(name: str) -> str:
    """The plain name of a release's queue."""
    return name.partition(".")[0]


@dataclass(frozen=True, slots=True)
class Wake:
    """A session with due work, and the queue its worker listens on. `alone` keeps others out of its message."""

    queue: str
    agent_id: str
    session_id: str
    alone: bool = False

    @classmethod
    def of(cls, agent_id: str, session_id: str, kind: str, *, alone: bool = False) -> "Wake":
        """The wake for an interaction of this kind."""
        return cls(QUEUE_OF_KIND[kind], agent_id, session_id, alone)

    @property
    def urgent(self) -> bool:
        """Whether somebody may be waiting for it."""
        return self.alone or base_queue(self.queue) == "chat"


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """A message that is ready to be sent: its queue, its task and its arguments."""

    queue: str
    task: str
    arguments: list[Any]


class WakePublisher:
    """Publishes wakes from a thread of its own; callers never wait and never fail.

    `away`: true while the broker is.
    """

    def __init__(self, settings: Settings, instead: Callable[[list[Message]], None] | None = None) -> None:
        """`instead` takes the messages that can't be published, as a worker can; without it they are dropped."""
        self._instead = instead
        self._writer = writer_for(settings.broker, stock=settings.runs_stock("kombu"))
        self._wake_size = settings.wake_size
        self._flusher: GroupFlush[Wake | TaskMessage] = GroupFlush("pumice-wakes", self._publish, 10_000, linger=LINGER)
        self.away = Outage(log, "broker")
        self._published = 0.0

    def wake(self, wakes: Iterable[Wake]) -> None:
        """Have these sessions woken soon."""
        some = list(wakes)
        if some and len(self._flusher) < BACKLOG:
            idle = time.monotonic() - self._published > LINGER
            self._flusher.add(*some, urgent=idle or any(wake.urgent for wake in some))

    def send(self, message: TaskMessage) -> bool:
        """Send a message soon. Returns whether it is likely to arrive."""
        if self.away or len(self._flusher) >= BACKLOG:
            return False
        self._flusher.add(message)
        return True

    def fan_out(self, agent_id: str, job: str, scheduled_for: str) -> None:
        """Have a tick fanned out soon. `scheduled_for` is ISO 8601."""
        self._flusher.add(TaskMessage("jobs", FAN_OUT, [agent_id, job, scheduled_for]))

    def spread(self, keys: Sequence[tuple[str, str]], queue: str) -> None:
        """Have sessions that one wake held run by several workers: `SPREAD` messages, each of which may do the same."""
        if not keys:
            return
        size = -(-len(keys) // SPREAD)
        groups = [[list(key) for key in keys[start : start + size]] for start in range(0, len(keys), size)]
        self._flusher.add(*(TaskMessage(queue, RUN_SESSIONS, [group]) for group in groups))

    def stop(self) -> None:
        """Publish what is left and close the connection."""
        self._flusher.stop()
        self._writer.close()

    def _publish(self, batch: list[Wake | TaskMessage]) -> None:
        messages = _messages(batch, self._wake_size)
        try:
            try:
                self._writer.send(messages)
            except BrokerAwayError:
                if self.away:
                    raise
                self._writer.send(messages)  # a connection that was idle may be gone; wakes may come twice
            self.away.ends()
            self._published = time.monotonic()
        except BrokerAwayError as error:
            self.away.begins(error=error, meanwhile="rescue wakes what is not published")
            if self._instead is not None:
                self._instead(messages)


def _messages(batch: list[Wake | TaskMessage], size: int) -> list[Message]:
    """Queue, task and arguments of each message: up to `size` wakes in one, and each by itself if it asks for that.

    Chats are taken together only when so many come at once that messages would be what they wait for.
    """
    together: dict[str, list[list[str]]] = {}
    messages: list[Message] = []
    for one in dict.fromkeys(one for one in batch if isinstance(one, Wake)):
        if one.alone:
            messages.append((one.queue, RUN_SESSIONS, [[[one.agent_id, one.session_id]]]))
        else:
            together.setdefault(one.queue, []).append([one.agent_id, one.session_id])
    for queue, keys in together.items():
        most = min(size, max(1, len(keys) // CHAT_MESSAGES)) if base_queue(queue) == "chat" else size
        messages += [(queue, RUN_SESSIONS, [keys[start : start + most]]) for start in range(0, len(keys), most)]
    messages += [(one.queue, one.task, one.arguments) for one in batch if isinstance(one, TaskMessage)]
    return messages
