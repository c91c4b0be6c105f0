"""What runs next and when: a test's clock stands still until a client waits or the test moves it."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from pumice.testing.interactions import RecordedInteraction
from pumice.testing.jobs import DueJobs, fan_out
from pumice.testing.schedules import fire, next_due
from pumice.testing.store import InMemoryStore
from pumice.testing.turns import Turns

REPLY_TIMEOUT = timedelta(seconds=25)
"""How long a client waits for its reply before a 202: the default of the setting REPLY_TIMEOUT."""
AT_ONCE = timedelta()
"""What a client waits that is answered with a 202 at once: its first attempt is made, and the clock stands still."""
MOST_AT_ONCE = 10_000
"""Turns at one time of the clock after which a session that schedules itself without a delay is suspected."""


class Progress:
    """Runs what is queued in a store, in order: by due time, then by acceptance.

    What is due runs when the clock moves. Before a client's interaction runs what came before it on its own session.
    """

    def __init__(self, store: InMemoryStore, turns: Turns) -> None:
        self._store = store
        self._turns = turns

    def wait(self, one: RecordedInteraction, patience: timedelta = REPLY_TIMEOUT) -> list[RecordedInteraction]:
        """Wait as the interaction's client does: until it is finished or could not be within `patience`.

        The clock moves to each attempt. Returns what was finished meanwhile, in order.
        """
        give_up = self._store.now + patience
        finished = []
        for _ in self._guarded():
            if one.status != "queued" or one.due[0] > give_up:
                break
            before = [other for other in self._store.queued if other.session is one.session and self._is_due(other)]
            finished += self._run_first(before or self._store.queued)
        return finished

    def finish(self, wanted: Iterable[RecordedInteraction]) -> list[RecordedInteraction]:
        """Run these, and nothing else, to their end, whenever they are due. Returns them in the order of their ends."""
        left = list(wanted)
        finished = []
        for _ in self._guarded():
            left = [one for one in left if one.status == "queued"]
            if not left:
                break
            finished += self._run_first(left)
        return finished

    def advance(self, to: datetime, *, jobs: bool) -> list[RecordedInteraction]:
        """Move the clock to a time, and run all that is due on the way; of jobs, if asked, the times after now.

        Schedules fire before what is queued for the same time, as they do in a worker that is not busy.

        Returns what was finished, in order.
        """
        ticking = DueJobs(self._store) if jobs else None
        finished = []
        for _ in self._guarded():
            first = min((one.due[0] for one in self._store.queued), default=None)
            tick = ticking.next if ticking else None
            planned = next_due(self._store)
            if planned is not None and planned[0] <= min(to, first or to, tick or to):
                self._store.now = max(self._store.now, planned[0])
                fire(self._store, *planned[1:])
            elif ticking is not None and tick is not None and tick <= to and (first is None or tick < first):
                self._store.now = max(self._store.now, tick)
                fan_out(self._store, *ticking.take())
            elif first is not None and first <= to:
                finished += self._run_first(self._store.queued)
            else:
                break
        self._store.now = max(self._store.now, to)
        return finished

    def _is_due(self, one: RecordedInteraction) -> bool:
        return one.due[0] <= self._store.now

    def _run_first(self, among: Iterable[RecordedInteraction]) -> list[RecordedInteraction]:
        """Make an attempt at the one that is due first, at that time. Returns it if that finished it."""
        one = min(among, key=lambda each: each.due)
        self._store.now = max(self._store.now, one.due[0])
        self._turns.run(one)
        return [] if one.status == "queued" else [one]

    def _guarded(self) -> Iterator[None]:
        """Steps without end, but not at one time of the clock. Raises `RuntimeError`."""
        at, steps = self._store.now, 0
        while True:
            yield
            at, steps = (at, steps + 1) if at == self._store.now else (self._store.now, 0)
            if steps > MOST_AT_ONCE:
                name = self._store.interactions[-1].name
                raise RuntimeError(
                    f"more than {MOST_AT_ONCE} turns at {at}: does {name!r} schedule itself without delay?"
                )


def moved_time(now: datetime, by: timedelta | float | None, to: datetime | None) -> datetime:
    """The time to which `advance` moves the clock. Raises `ValueError` for one that is past or has no timezone."""
    if (by is None) == (to is None):
        raise ValueError("advance: give seconds or a timedelta, or to=…")
    if to is not None and to.tzinfo is None:
        raise ValueError(f"advance: {to!r} has no timezone")
    step = by if isinstance(by, timedelta) else timedelta(seconds=by or 0)
    target = now + step if to is None else to.astimezone(UTC)
    if target < now:
        raise ValueError(f"advance: the clock says {now.isoformat()} and can't go back to {target.isoformat()}")
    return target
