"""The streams and sockets that are open on this front, each with what allows it: they end when that does.

One thread looks every few seconds, with one query for the keys of all of them. While Postgres is away nothing ends for
its key's sake.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pumice.errors import Problem, StoreAwayError, Unauthorized
from pumice.logs import get_logger
from pumice.sessions.api_keys import find_valid, hash_key
from pumice.sessions.connections import StoreConnection
from pumice.settings import Settings

LOOK = 2.0
"""Seconds between two looks. A revoked key is let in for up to `auth.CACHE_SECONDS`; both together are under 10."""

log = get_logger("pumice.delivery")


@dataclass(slots=True, eq=False)
class _Open:
    """A stream: its key's hash, when its token expires (Unix time), and what ends it."""

    digest: bytes
    expires: float | None
    end: Callable[[Problem], None]


class OpenStreams:
    """The open streams of this front."""

    def __init__(self, settings: Settings) -> None:
        self._store = StoreConnection(settings, durable=False)
        self._open: set[_Open] = set()
        threading.Thread(target=self._watch, name="pumice-credentials", daemon=True).start()

    @contextlib.contextmanager
    def holding(self, key: str, expires: float | None, end: Callable[[Problem], None]) -> Iterator[None]:
        """Have `end` called, once, when the key is revoked or the token expires meanwhile. It must not block."""
        one = _Open(hash_key(key), expires, end)
        self._open.add(one)
        try:
            yield
        finally:
            self._open.discard(one)

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK)
            try:
                self._look()
            except StoreAwayError:
                continue
            except Exception:
                log.exception("credentials_unchecked")

    def _look(self) -> None:
        now = time.time()
        for one in list(self._open):
            if one.expires is not None and one.expires <= now:
                self._end(one, Unauthorized("The session token has expired."))
        digests = {one.digest for one in self._open}
        if not digests:
            return
        valid = find_valid(self._store, digests)
        for one in list(self._open):
            if one.digest in digests and one.digest not in valid:
                self._end(one, Unauthorized("The API key was revoked."))

    def _end(self, one: _Open, problem: Problem) -> None:
        self._open.discard(one)
        try:
            one.end(problem)
        except Exception:  # the others end all the same
            log.exception("stream_not_ended")
