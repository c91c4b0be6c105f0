"""One Redis subscriber for a front process: its replies, and the events of the sessions that its streams watch.

Threads: `pumice-subscriber` reads what Redis publishes and hands it on; it waits for nobody else, and no lock is held
while it does. `pumice-catch-up` reads what watches missed while Redis was away. Streams call `watch` and `forget`.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import redis

from pumice.agents.json_text import loads
from pumice.logs import Outage, get_logger
from pumice.messaging.events import front_channel, published, stream_key
from pumice.messaging.redis_connection import connect
from pumice.sessions.finished import FinishedInteraction
from pumice.settings import Settings
from pumice.web.http.event_log import PATIENCE, EventLog, UnusableCursorError
from pumice.web.http.watch import Deliver, Watch
from pumice.web.http.watchdog import Heart

WAIT = 1.0
"""Seconds that a read waits."""
QUIET, GONE = 2, 5
"""Seconds without a word from Redis after which it is asked whether it is there, and after which it is not."""
AT_ONCE = 1_000
TURN = 32_768
"""Bytes after which the streams get a turn to send what was handed to them. A burst would else fill their outboxes
before one of them has run, however fast their clients read."""

log = get_logger("pumice.subscriber")


@dataclass(slots=True)
class _Channel:
    """Who watches a session. asked, confirmed: whether it is subscribed to, on the present connection."""

    watches: set[Watch] = field(default_factory=set)
    asked: bool = False
    confirmed: threading.Event = field(default_factory=threading.Event)


class Subscriber:
    """The subscriber. `live`: whether what is published arrives, and Redis answers."""

    def __init__(self, settings: Settings, front_id: str, deliver: Callable[[list[FinishedInteraction]], None]) -> None:
        self.live = False
        self.heart = Heart("subscriber")
        self.events = EventLog(settings, lambda: self.live, self._doubt)
        self._front = front_channel(front_id)
        self._deliver = deliver
        self._client: Any = connect(settings.redis_url)
        self._pubsub: redis.client.PubSub | None = None
        self._channels: dict[str, _Channel] = {}
        self._lock = threading.RLock()
        self._subscribed = False
        self._behind: deque[Watch] = deque()
        self._fell_behind = threading.Event()
        self._away = Outage(log, "redis")
        self.heart.thread = threading.Thread(target=self._run, name="pumice-subscriber", daemon=True)
        self.heart.thread.start()
        threading.Thread(target=self._catch_up, name="pumice-catch-up", daemon=True).start()

    def watch(self, agent_id: str, session_id: str, deliver: Deliver, broken: Callable[[], None]) -> Watch:
        """Watch a session. Events are held back until `missed` was read; without Redis none come until it is back."""
        name = stream_key(agent_id, session_id)
        watch = Watch(name, self.events, deliver, broken)
        with self._lock:
            channel = self._channels.setdefault(name, _Channel())
            channel.watches.add(watch)
            if self.live and not channel.asked:
                self._subscribe([name])
        if self.live:
            if channel.confirmed.wait(PATIENCE):
                watch.cursor = self.events.open(name)
            else:
                self._doubt()
        return watch

    def forget(self, watch: Watch) -> None:
        """Stop a watch."""
        with self._lock:
            channel = self._channels.get(watch.channel)
            if channel is None:
                return
            channel.watches.discard(watch)
            if not channel.watches:
                del self._channels[watch.channel]
                if channel.asked:
                    self._unsubscribe(watch.channel)

    @property
    def watches(self) -> int:
        """How many streams there are."""
        return sum(len(channel.watches) for channel in list(self._channels.values()))

    def _doubt(self) -> None:
        """Redis did not answer in time: nobody waits for it until it says something."""
        self.live = False

    def _subscribe(self, names: Iterable[str]) -> None:
        wanted = [name for name in names if name in self._channels]
        for name in wanted:
            self._channels[name].asked = True
        try:
            if self._pubsub is not None and wanted:
                self._pubsub.subscribe(*wanted)
        except (redis.RedisError, OSError):
            self._doubt()

    def _unsubscribe(self, name: str) -> None:
        try:
            if self._pubsub is not None and self.live:
                self._pubsub.unsubscribe(name)
        except (redis.RedisError, OSError):
            self._doubt()

    def _run(self) -> None:
        while True:
            try:
                self._listen()
            except (redis.RedisError, OSError) as error:
                self._away.begins(error=error, meanwhile="replies are looked for in Postgres")
                self.live = self._subscribed = False
                time.sleep(0.2)
            except Exception:
                self.live = self._subscribed = False
                log.exception("subscriber_failed")
                time.sleep(1)

    def _listen(self) -> None:
        pubsub = self._client.pubsub()
        pubsub.subscribe(self._front)
        with self._lock:
            self._pubsub = pubsub
        silent = taken = 0
        while True:
            self.heart.waits()
            message = _next_message(pubsub)
            self.heart.works()
            if message is not None:
                silent = 0
                self._take(message)
                taken += len(message["data"]) if message["type"] == "message" else 0
                if taken > TURN:
                    taken = 0
                    self.heart.waits()
                    time.sleep(0)
                continue
            silent += 1
            if silent >= GONE:
                pubsub.close()
                silence = "Redis does not answer"
                raise redis.ConnectionError(silence)
            if silent >= QUIET or not self.live:
                self.heart.waits()
                pubsub.ping()

    def _take(self, message: dict[str, Any]) -> None:
        """Hand on what came. Whatever is wrong with one message or one stream concerns no other."""
        kind, name = message["type"], message["channel"].decode() if message["channel"] else ""
        if kind == "subscribe" and name == self._front:
            self._begin()
        elif self._subscribed and not self.live:
            self._resume()
        channel = self._channels.get(name)
        if kind == "subscribe" and channel is not None:
            channel.confirmed.set()
        elif kind == "message" and name == self._front:
            self._deliver(list(_decoded(message["data"])))
        elif kind == "message" and channel is None:
            self._unsubscribe(name)
        elif kind == "message" and channel is not None:
            for event_id, event in published(message["data"]):
                for watch in list(channel.watches):
                    if not watch.push(event_id, event):
                        self.forget(watch)

    def _begin(self) -> None:
        """On a new connection: subscribe to everything, and have what was missed read."""
        with self._lock:
            for channel in self._channels.values():
                channel.asked = False
                channel.confirmed.clear()
                self._behind.extend(watch for watch in channel.watches if watch.hold())
        self._subscribed = True
        self._away.ends()
        self._resume()
        self._fell_behind.set()

    def _resume(self) -> None:
        """Redis answers: subscribe to what was not asked for while it did not."""
        with self._lock:
            self.live = True
            names = [name for name, channel in self._channels.items() if not channel.asked]
            for begin in range(0, len(names), AT_ONCE):
                self._subscribe(names[begin : begin + AT_ONCE])

    def _catch_up(self) -> None:
        while True:
            self._fell_behind.wait()
            self._fell_behind.clear()
            while self._behind:
                watch = self._behind.popleft()
                try:
                    self._bring_up(watch)
                except UnusableCursorError:
                    self._behind.append(watch)
                    time.sleep(0.5)
                except Exception:
                    log.exception("watch_failed", channel=watch.channel)

    def _bring_up(self, watch: Watch) -> None:
        channel = self._channels.get(watch.channel)
        if channel is None or watch not in channel.watches:
            return
        if not self.live or not channel.confirmed.wait(PATIENCE):
            raise UnusableCursorError
        watch.catch_up()


def _next_message(pubsub: Any) -> dict[str, Any] | None:
    """What came on a subscription, or None after `WAIT` seconds in which nothing did.

    `get_message` would ask twice whether there is something to read, each time by a new poll object: that took an
    eighth of a front's interpreter time while one client chatted.
    """
    connection = pubsub.connection
    if connection is None:
        lost = "the subscription has no connection"
        raise redis.ConnectionError(lost)
    try:
        response = connection.read_response(disconnect_on_error=False, push_request=True, timeout=WAIT)
    except redis.TimeoutError:
        return None
    found: dict[str, Any] | None = pubsub.handle_message(response)
    return found


def _decoded(data: bytes) -> Iterable[FinishedInteraction]:
    """The replies in a message; one that can't be read is left out: its waiter finds it in Postgres."""
    for one in loads(data):
        try:
            yield FinishedInteraction.decode(one)
        except Exception:
            log.exception("reply_unreadable")
