"""Events through Redis: live to every stream of a session, replayable for a while, and replies to waiting fronts.

Keys and channels, all under `pumice:`
- stream `pumice:events:<agent>:<session>`: a session's newest events, field `e` (JSON). It exists only while somebody
  has been watching; others' events are not kept. An event's id is its stream id.
- channel of the same name: `<id> <JSON>` of each event, as it is added; those added together on lines of one message.
- channel `pumice:front:<front id>`: a JSON list of finished interactions that a front waits for.
- channel `pumice:control`: JSON orders to workers (`cancel`) and fronts (`keys`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from pumice.agents.json_text import dumps
from pumice.logs import Outage, get_logger
from pumice.messaging.group_flush import GroupFlush
from pumice.messaging.redis_connection import Link
from pumice.sessions.finished import FinishedInteraction
from pumice.settings import Settings

log = get_logger("pumice.events")

CONTROL = "pumice:control"
BACKLOG = 100_000
LARGEST = 32_000_000
"""Bytes of one event or reply at the most: a whole reply may be longer than what a turn sends at a time."""

PUBLISH_SCRIPT = """
local added = {}
for i, stream in ipairs(KEYS) do
  local event, lines = ARGV[i + 2], added[stream]
  if lines == nil then
    lines = (redis.call('EXISTS', stream) == 1 or redis.call('PUBSUB', 'NUMSUB', stream)[2] > 0) and {}
    added[stream] = lines
  end
  if lines then
    lines[#lines + 1] = redis.call('XADD', stream, 'MAXLEN', '~', ARGV[1], '*', 'e', event) .. ' ' .. event
  end
end
for stream, lines in pairs(added) do
  if lines then
    redis.call('PEXPIRE', stream, ARGV[2])
    redis.call('PUBLISH', stream, table.concat(lines, '\\n'))
  end
end
"""
"""Keeps and publishes one event per key for sessions that are watched; does nothing for the others.

The events of one session travel as one message: what the user said, the reply and the end cost a front one read.
"""

OPEN_SCRIPT = """
if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('XADD', KEYS[1], '*', 'open', '') end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
return last[1][1]
"""
"""Makes sure that a session's events are kept from now on; returns the newest event's id."""


def published(message: bytes) -> Iterator[tuple[str, bytes]]:
    """The events in a message of a session's channel, each with its id. JSON holds no line ends."""
    for line in message.split(b"\n"):
        event_id, _, event = line.partition(b" ")
        yield event_id.decode(), event


def stream_key(agent_id: str, session_id: str) -> str:
    """The stream and channel of a session's events."""
    return f"pumice:events:{agent_id}:{session_id}"


def front_channel(front_id: str) -> str:
    """The channel on which a front process gets its replies."""
    return f"pumice:front:{front_id}"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a session: its type and fields, as clients see it but for the id."""

    agent_id: str
    session_id: str
    type: str
    fields: dict[str, Any]

    @classmethod
    def of(cls, agent_id: str, session_id: str, document: dict[str, Any]) -> "Event":
        """The event of a document that holds its type."""
        return cls(agent_id, session_id, document.pop("type"), document)

    def encode(self) -> bytes:
        """The event as JSON."""
        return dumps({"type": self.type, **self.fields})


@dataclass(frozen=True, slots=True)
class Reply:
    """A finished interaction for the front that waits for it."""

    front_id: str
    finished: FinishedInteraction


def _encoded(one: Event | Reply) -> bytes | None:
    """An event or reply as JSON; None, and a line in the log, for one that would harm the others of its batch.

    Nobody waits for ever for what is left out here: fronts look in Postgres.
    """
    try:
        encoded = one.encode() if isinstance(one, Event) else dumps(one.finished.encode())
    except (TypeError, ValueError, RecursionError) as error:
        log.warning("not_published", what=type(one).__name__, error=type(error).__name__)
        return None
    if len(encoded) > LARGEST:
        log.warning("not_published", what=type(one).__name__, bytes=len(encoded))
        return None
    return encoded


def _replies(replies: Sequence[Reply]) -> Iterator[tuple[Any, ...]]:
    """The commands that tell fronts."""
    by_front: dict[str, list[bytes]] = {}
    for one in replies:
        if (encoded := _encoded(one)) is not None:
            by_front.setdefault(one.front_id, []).append(encoded)
    for front_id, documents in by_front.items():
        yield "PUBLISH", front_channel(front_id), b"[" + b",".join(documents) + b"]"


class EventPublisher:
    """Publishes replies and then events, in order, one round trip for all that gathered meanwhile.

    Drops them when Redis is away: fronts then look in Postgres.
    """

    def __init__(self, settings: Settings) -> None:
        self._link = Link(settings.redis_url)
        self._kept: tuple[int, int] = (settings.event_limit, int(settings.event_ttl * 1000))
        self._flusher: GroupFlush[Event | Reply] = GroupFlush("pumice-events", self._publish)
        self._away = Outage(log, "events")

    def publish(self, *items: Event | Reply, here: bool = False) -> None:
        """Publish soon, in this order; `here` on the calling thread, if nobody else is at it."""
        if len(self._flusher) >= BACKLOG:
            return
        if here:
            self._flusher.flush_here(*items)
        elif items:
            self._flusher.add(*items)

    def stop(self) -> None:
        """Publish what is left."""
        self._flusher.stop()
        self._link.close()

    def _publish(self, batch: list[Event | Reply]) -> None:
        """Replies leave first, and while Redis hands them on, the events are put together: fewer wait for those."""
        replies = [one for one in batch if isinstance(one, Reply)]
        events = [one for one in batch if isinstance(one, Event)]
        try:
            self._link.run(_replies(replies), self._events(events))
            self._away.ends()
        except (redis.RedisError, OSError) as error:
            self._away.begins(error=error, meanwhile="events are dropped, fronts look in Postgres")

    def _events(self, events: Sequence[Event]) -> Iterator[tuple[Any, ...]]:
        """The command that tells those who watch."""
        known = [(stream_key(one.agent_id, one.session_id), _encoded(one)) for one in events]
        keys = [key for key, encoded in known if encoded is not None]
        frames = [encoded for _, encoded in known if encoded is not None]
        if keys:
            yield "EVAL", PUBLISH_SCRIPT, len(keys), *keys, *self._kept, *frames
