"""Who is asking: keys, looked up by their hash and cached for a few seconds; wrong ones are counted by address.

An address that guessed too often is told so, but its valid keys go on working: many clients may share an address (that
of a router or proxy), and one of them must not lock the others out.
"""

import hmac
import threading
import time
from dataclasses import dataclass

from pumice.errors import Forbidden, StoreAway, StoreAwayError, TooMany, Unauthorized
from pumice.sessions.api_keys import ValidKey, find_key, hash_key
from pumice.sessions.connections import StoreConnections
from pumice.settings import Settings

CACHE_SECONDS = 5.0
CACHE_SIZE = 10_000
WINDOW = 60.0


@dataclass(frozen=True, slots=True)
class Key:
    """A valid key: what kind it is and which agent it is for."""

    kind: str
    agent_id: str


class KeyCache:
    """The keys of all agents. A revoked key is refused after at most `CACHE_SECONDS`."""

    def __init__(self, settings: Settings, connections: StoreConnections) -> None:
        self._connections = connections
        self._limit = settings.auth_failures_per_minute
        self._cache: dict[bytes, tuple[float, Key | None]] = {}
        self._failures: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def check(self, given: str | None, address: str, *, agent_id: str | None = None, secret: bool = False) -> Key:
        """The key that was given, valid for this agent (any, when None).

        Raises `Unauthorized` for a missing or wrong key, `Forbidden` for a public key where a secret one is needed,
        `TooMany` when the address failed too often, `StoreAway`.
        """
        key = self._find(given) if given else None
        if key is None or (agent_id is not None and key.agent_id != agent_id):
            if not given:
                message = "The API key is missing."
                raise Unauthorized(message)
            self._note_failure(address)
            message = "The API key is wrong, revoked or of another agent."
            raise Unauthorized(message)
        if secret and key.kind != "secret":
            message = "This needs a secret key."
            raise Forbidden(message)
        return key

    def _find(self, given: str) -> Key | None:
        digest = hash_key(given)
        now = time.monotonic()
        expires, key = self._cache.get(digest, (0.0, None))
        if expires > now:
            return key
        rows = self._look_up(digest)
        matching = [row for row in rows if hmac.compare_digest(bytes(row.hash), digest)]
        key = Key(matching[0].kind, matching[0].agent_id) if matching else None
        if len(self._cache) >= CACHE_SIZE:
            self._cache.clear()
        self._cache[digest] = (now + CACHE_SECONDS, key)
        return key

    def _look_up(self, digest: bytes) -> list[ValidKey]:
        with self._connections.borrow() as store:
            try:
                return find_key(store, digest)
            except StoreAwayError:
                raise StoreAway(retry_after=2) from None

    def _note_failure(self, address: str) -> None:
        """Count a wrong key. Raises `TooMany` for one more than the limit."""
        now = time.monotonic()
        with self._lock:
            since, count = self._failures.get(address, (now, 0))
            if now - since >= WINDOW:
                since, count = now, 0
            if len(self._failures) >= CACHE_SIZE:
                self._failures.clear()
            self._failures[address] = since, count + 1
        if count >= self._limit:
            message = "Too many wrong keys came from this address."
            raise TooMany(message, retry_after=since + WINDOW - now)
