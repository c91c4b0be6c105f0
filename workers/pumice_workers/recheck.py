"""Looking once more: work that arrived while its session was leased, whose own wake therefore found nothing to take.

Every turn that ends has to look, after its lease is back; few find anything. So the sessions gather for a moment and
are looked at together, with one statement that locks nothing; what is found is woken like anything else. What was
accepted in that same moment has a wake of its own under way, and is looked at again before it gets another.
"""

from collections.abc import Callable, Iterable

from pumice.errors import StoreAwayError
from pumice.messaging.group_flush import GroupFlush
from pumice.messaging.wakes import Wake
from pumice.sessions.connections import StoreConnection
from pumice.sessions.free import find_free
from pumice.settings import Settings

LINGER = 0.01
"""Seconds that sessions wait for company: how much later a wake may be that found its session leased."""
GROUP = 500


class Recheck:
    """Looks at sessions whose lease has just gone back."""

    def __init__(self, settings: Settings, wake: Callable[[Iterable[Wake]], None]) -> None:
        """`wake` has sessions woken."""
        self._wake = wake
        self._store = StoreConnection(settings, durable=False)
        self._flusher: GroupFlush[tuple[str, str]] = GroupFlush("pumice-recheck", self._look, GROUP, linger=LINGER)

    def add(self, keys: Iterable[tuple[str, str]]) -> None:
        """Look at these soon, given as `(agent_id, session_id)`."""
        if some := tuple(keys):
            self._flusher.add(*some, urgent=False)

    def stop(self) -> None:
        """Look at what is left."""
        self._flusher.stop()

    def _look(self, keys: list[tuple[str, str]]) -> None:
        try:
            found = find_free(self._store, dict.fromkeys(keys), LINGER)
        except StoreAwayError:
            return  # rescue wakes what nobody woke
        self.add((row.agent_id, row.id) for row in found if row.young)
        self._wake(Wake.of(row.agent_id, row.id, row.kind) for row in found if not row.young)
