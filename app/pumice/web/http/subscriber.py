"""One Redis subscriber for a front process: its replies, and the events of the sessions that its streams watch."""

import threading
import time
from collections.abc import Callable
from typing import Any

import orjson
import redis

from pumice.logs import Outage, get_logger
from pumice.messaging.events import OPEN_SCRIPT, front_channel, stream_key
from pumice.messaging.redis_connection import connect
from pumice.sessions.finished import FinishedInteraction
from pumice.settings import Settings

SUBSCRIBE_PATIENCE = 2.0
QUIET = 5.0

log = get_logger("pumice.subscriber")

Deliver = Callable[[str, bytes], None]
"""Takes an event's id and its JSON."""


NEVER = "0-0"
"""The cursor of a watch that has not reached Redis yet."""


class UnusableCursorError(Exception):
    """The cursor is not one of this session's, or its events are no longer kept."""

    def document(self) -> dict[str, Any]:
        """What a stream is told of it."""
        return {"type": "urn:pumice:problem:unusable-cursor", "title": self.__doc__, "status": 410}


class Watch:
    """One stream's interest in a session. Delivers each event once, in order: first what was missed, then live."""

    def __init__(self, subscriber: "Subscriber", channel: str, deliver: Deliver) -> None:
        self.channel = channel
        self.cursor = NEVER
        self._subscriber = subscriber
        self._deliver = deliver
        self._held: list[tuple[str, bytes]] | None = []
        self._lock = threading.RLock()

    def push(self, event_id: str, event: bytes) -> None:
        """Take a live event; it is held back while the missed ones are being replayed."""
        with self._lock:
            if self._held is not None:
                self._held.append((event_id, event))
            elif is_after(event_id, self.cursor):
                self.cursor = event_id
                self._deliver(event_id, event)

    def go_live(self, after: str | None) -> None:
        """Deliver what came after that cursor (None: nothing), then go on live.

        Raises `UnusableCursorError`; the watch is live all the same.
        """
        try:
            if after is not None:
                for event_id, event in self._subscriber.replay(self.channel, after):
                    self.cursor = event_id
                    self._deliver(event_id, event)
        finally:
            with self._lock:
                held, self._held = self._held or [], None
                for event_id, event in held:
                    self.push(event_id, event)

    def close(self) -> None:
        """Stop watching."""
        self._subscriber.forget(self)


class Subscriber:
    """The subscriber."""

    def __init__(self, settings: Settings, front_id: str, deliver: Callable[[list[FinishedInteraction]], None]) -> None:
        self._settings = settings
        self._front = front_channel(front_id)
        self._deliver = deliver
        self._client: Any = connect(settings.redis_url)
        self._pubsub: redis.client.PubSub | None = None
        self._watches: dict[str, set[Watch]] = {}
        self._confirmed: dict[str, threading.Event] = {}
        self._lock = threading.RLock()
        self.live = False
        self._away = Outage(log, "redis")
        threading.Thread(target=self._run, name="pumice-subscriber", daemon=True).start()

    def watch(self, agent_id: str, session_id: str, deliver: Deliver) -> Watch:
        """Watch a session. Events are held back until `go_live`; without Redis none come until it is back."""
        channel = stream_key(agent_id, session_id)
        watch = Watch(self, channel, deliver)
        with self._lock:
            first = channel not in self._watches
            self._watches.setdefault(channel, set()).add(watch)
            confirmed = self._confirmed.setdefault(channel, threading.Event())
            if first:
                self._subscribe(channel)
        if self.live and confirmed.wait(SUBSCRIBE_PATIENCE):
            watch.cursor = self._open(channel)
        return watch

    def forget(self, watch: Watch) -> None:
        """Stop a watch."""
        with self._lock:
            watches = self._watches.get(watch.channel, set())
            watches.discard(watch)
            if watches or watch.channel not in self._watches:
                return
            del self._watches[watch.channel]
            self._confirmed.pop(watch.channel, None)
            try:
                if self._pubsub is not None:
                    self._pubsub.unsubscribe(watch.channel)
            except redis.RedisError:
                self.live = False

    def replay(self, channel: str, after: str) -> list[tuple[str, bytes]]:
        """The events after a cursor. Raises `UnusableCursorError`."""
        if not is_cursor(after):
            raise UnusableCursorError
        try:
            oldest = self._client.xrange(channel, count=1)
            newest = self._client.xrevrange(channel, count=1)
            rows = self._client.xrange(channel, min=_following(after))
        except redis.RedisError as error:
            raise UnusableCursorError from error
        if not oldest or is_after(oldest[0][0].decode(), after) or is_after(after, newest[0][0].decode()):
            raise UnusableCursorError
        return [(event_id.decode(), fields[b"e"]) for event_id, fields in rows if b"e" in fields]

    def _catch_up(self, channel: str) -> None:
        """After a loss of Redis: deliver what is still kept, and have what comes kept again.

        A watch that began meanwhile has missed nothing: it starts with what comes now.
        """
        newest = self._open(channel)
        for watch in list(self._watches.get(channel, ())):
            if watch.cursor == NEVER:
                watch.cursor = newest
                continue
            for event_id, fields in self._client.xrange(channel, min=_following(watch.cursor)):
                if b"e" in fields:
                    watch.push(event_id.decode(), fields[b"e"])

    def _open(self, channel: str) -> str:
        try:
            last: Any = self._client.eval(OPEN_SCRIPT, 1, channel, int(self._settings.event_ttl * 1000))
        except redis.RedisError:
            return NEVER
        return str(last.decode())

    def _subscribe(self, *channels: str) -> None:
        try:
            if self._pubsub is not None and channels:
                self._pubsub.subscribe(*channels)
        except redis.RedisError:
            self.live = False

    def _run(self) -> None:
        while True:
            try:
                self._listen()
            except (redis.RedisError, OSError) as error:
                self._away.begins(error=error, meanwhile="replies are looked for in Postgres")
                self.live = False
                time.sleep(0.2)
            except Exception:
                self.live = False
                log.exception("subscriber_failed")
                time.sleep(1)

    def _listen(self) -> None:
        pubsub = self._client.pubsub()
        pubsub.subscribe(self._front)
        with self._lock:
            self._pubsub = pubsub
            for event in self._confirmed.values():
                event.clear()
            channels = list(self._watches)
        self._subscribe(*channels)
        for channel in channels:
            self._catch_up(channel)
        heard = time.monotonic()
        while True:
            message = pubsub.get_message(timeout=1.0)
            now = time.monotonic()
            if message is not None:
                heard = now
                self._take(message)
            elif now - heard > 2 * QUIET:
                pubsub.close()
                message = "Redis does not answer"
                raise redis.ConnectionError(message)
            elif now - heard > QUIET:
                pubsub.ping()

    def _take(self, message: dict[str, Any]) -> None:
        channel = message["channel"].decode() if message["channel"] else ""
        if message["type"] == "subscribe":
            if channel == self._front:
                self.live = True
                self._away.ends()
            elif (confirmed := self._confirmed.get(channel)) is not None:
                confirmed.set()
        elif message["type"] != "message":
            return
        elif channel == self._front:
            self._deliver([FinishedInteraction.decode(one) for one in orjson.loads(message["data"])])
        else:
            event_id, _, event = message["data"].partition(b" ")
            for watch in list(self._watches.get(channel, ())):
                watch.push(event_id.decode(), event)


def read_cursor(last_event_id: str | None) -> str | None:
    """The cursor in the event id that a client saw last; a stream's own frames have ids like `<cursor>+<n>`."""
    return last_event_id.partition("+")[0] if last_event_id else None


def is_cursor(text: str) -> bool:
    """Whether the text looks like an event id."""
    milliseconds, dash, number = text.partition("-")
    return bool(dash) and text.isascii() and milliseconds.isdecimal() and number.isdecimal() and len(text) <= 40  # noqa: PLR2004 (two 64-bit numbers)


def is_after(one: str, other: str) -> bool:
    """Whether one event id is newer than another."""
    return _place(one) > _place(other)


def _following(event_id: str) -> str:
    """The least id after this one; `(id`, which says the same, needs Redis 6.2."""
    milliseconds, _, number = event_id.partition("-")
    return f"{milliseconds}-{int(number) + 1}"


def _place(event_id: str) -> tuple[int, int]:
    milliseconds, _, number = event_id.partition("-")
    return int(milliseconds), int(number)
