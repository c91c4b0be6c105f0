"""Reading what Redis keeps of a session's events, in pages of bounded size, a few readers at a time."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from pumice.messaging.events import OPEN_SCRIPT
from pumice.messaging.redis_connection import connect
from pumice.settings import Settings
from pumice.web.http.cursors import NEVER, following, is_after

PATIENCE = 2.0
"""Seconds that Redis may take to answer before it counts as away."""
READERS = 16
"""Readers at a time. Others wait for them: connections are bounded, and so is the memory that pages take."""
PAGE_EVENTS, PAGE_BYTES = 100, 1_000_000
"""The most that a page holds; one event may be larger."""

PAGE_SCRIPT = """
local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)
if not oldest[1] then return {} end
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
local rows, size = {}, 0
for _, row in ipairs(redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])) do
  size = size + #row[2][2]
  if #rows > 0 and size > tonumber(ARGV[3]) then break end
  rows[#rows + 1] = {row[1], row[2][1], row[2][2]}
end
return {oldest[1][1], newest[1][1], rows}
"""
"""A session's events from an id on, up to a number and a size; with the oldest and the newest id that are kept."""


class UnusableCursorError(Exception):
    """The cursor is not one of this session's, or its events are no longer kept."""

    def document(self) -> dict[str, Any]:
        """What a stream is told of it."""
        return {"type": "urn:pumice:problem:unusable-cursor", "title": type(self).__doc__, "status": 410}


@dataclass(frozen=True, slots=True)
class Page:
    """Events in order, each with its id. `at`: the position behind them. `complete`: there are no newer ones."""

    events: list[tuple[str, bytes]]
    at: str
    complete: bool


class EventLog:
    """The kept events of all sessions."""

    def __init__(self, settings: Settings, is_live: Callable[[], bool], failed: Callable[[], None]) -> None:
        """`is_live`: whether Redis answers at the moment. `failed` is called when it did not."""
        self._client: Any = connect(settings.redis_url, timeout=PATIENCE)
        self._ttl = int(settings.event_ttl * 1000)
        self._is_live = is_live
        self._failed = failed
        self._places = threading.BoundedSemaphore(READERS)

    def open(self, channel: str) -> str:
        """Have a session's events kept from now on. Returns the newest one's position, `NEVER` without Redis."""
        try:
            last: bytes = self._ask(OPEN_SCRIPT, channel, self._ttl)
        except redis.RedisError:
            return NEVER
        return last.decode()

    def page(self, channel: str, after: str, *, strict: bool = True) -> Page:
        """The next events after a position.

        Raises `UnusableCursorError` when Redis is away, and when events after that position are no longer kept or were
        never there; not for the latter two unless `strict`.
        """
        try:
            found = self._ask(PAGE_SCRIPT, channel, following(after), PAGE_EVENTS, PAGE_BYTES)
        except redis.RedisError as error:
            raise UnusableCursorError from error
        oldest, newest, rows = (found[0].decode(), found[1].decode(), found[2]) if found else (None, NEVER, [])
        if strict and (oldest is None or is_after(oldest, after) or is_after(after, newest)):
            raise UnusableCursorError
        at = rows[-1][0].decode() if rows else after
        events = [(event_id.decode(), event) for event_id, field, event in rows if field == b"e"]
        return Page(events, at, not is_after(newest, at))

    def event_at(self, channel: str, position: str) -> bytes | None:
        """The event with just this id, if it is kept and Redis is there."""
        milliseconds, _, number = position.partition("-")
        before = f"{milliseconds}-{int(number) - 1}" if int(number) else f"{int(milliseconds) - 1}-{2**64 - 1}"
        try:
            found = self.page(channel, before, strict=False).events if position != NEVER else []
        except UnusableCursorError:
            return None
        return found[0][1] if found and found[0][0] == position else None

    def _ask(self, script: str, channel: str, *arguments: int | str) -> Any:
        with self._places:
            if not self._is_live():
                message = "Redis is away"
                raise redis.ConnectionError(message)
            try:
                return self._client.eval(script, 1, channel, *arguments)
            except (redis.ConnectionError, redis.TimeoutError):
                self._failed()
                raise
