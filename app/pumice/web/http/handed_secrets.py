"""Secrets that senders handed over and an operator accepted, as a front's requests look them up."""

import time

from pumice.agents.sources import SecretsOf, Source
from pumice.errors import StoreAway, StoreAwayError
from pumice.sessions.connections import StoreConnections
from pumice.sessions.hook_secrets import accepted_secrets, hand_over
from pumice.settings import secrets_of

FRESH = 2.0
"""Seconds for which a hook's secrets are believed without a look."""
RETRY_AFTER = 2.0


class HandedSecrets:
    """Those of one front process."""

    def __init__(self, connections: StoreConnections) -> None:
        self._connections = connections
        self._known: dict[tuple[str, str], tuple[float, tuple[str, ...]]] = {}

    def lookup(self, agent_id: str, hook: str, source: Source | None) -> SecretsOf:
        """Where a hook's secrets are found: the environment and, of senders that hand theirs over, the store.

        Raises `StoreAway` when it is looked up and Postgres is away.
        """
        if source is None or not any(one.hands_over for one in source.handshakes):
            return secrets_of
        return lambda variable: (*secrets_of(variable), *self._accepted(agent_id, hook))

    def hand_over(self, agent_id: str, hook: str, secret: str) -> None:
        """Note a secret that a sender handed over. Raises `StoreAway`."""
        try:
            with self._connections.borrow() as store:
                hand_over(store, agent_id, hook, secret)
        except StoreAwayError:
            raise StoreAway(retry_after=RETRY_AFTER) from None

    def _accepted(self, agent_id: str, hook: str) -> tuple[str, ...]:
        now = time.monotonic()
        until, known = self._known.get((agent_id, hook), (0.0, ()))
        if until < now:
            try:
                with self._connections.borrow() as store:
                    known = accepted_secrets(store, agent_id, hook)
            except StoreAwayError:
                raise StoreAway(retry_after=RETRY_AFTER) from None
            self._known[agent_id, hook] = now + FRESH, known
        return known
