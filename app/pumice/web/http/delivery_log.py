"""Notes what became of the requests to hooks, behind them: a thread writes what came in the last half second.

What ran a turn is its interaction, and only counted here. Of the rest so many are kept as a flood leaves room for.
"""

import threading
import time
from collections import Counter

from pumice.agents.scrubbing import plain
from pumice.errors import StoreAwayError
from pumice.logs import get_logger
from pumice.sessions.connections import StoreConnection
from pumice.sessions.delivery_log import Counted, Recorded, write
from pumice.settings import Settings

INTERVAL = 0.5
OF_ONE_HOOK = 50
"""Deliveries of one hook and status that one write keeps; of more, the newest."""
MOST = 500
"""Deliveries that one write keeps."""
MOST_EVENTS = 200
"""Event types of one hook that are counted by themselves; the others are counted as one."""
OTHER_EVENTS = "(other)"
UNSELECTED = "unselected"
"""Counted beside the statuses: a selector that was declared found no session."""

log = get_logger("pumice.web")


class DeliveryLog:
    """Deliveries of one front process. Safe for threads and greenlets."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._counts: Counter[Counted] = Counter()
        self._events: dict[tuple[str, str], set[str]] = {}
        self._recorded: dict[tuple[str, str, str], list[Recorded]] = {}
        self._lock = threading.Lock()
        self._something = threading.Event()
        self._thread: threading.Thread | None = None

    def count(self, agent_id: str, hook: str, event: str | None, status: str) -> None:
        """Count a delivery."""
        with self._lock:
            known = self._events.setdefault((agent_id, hook), set())
            name = plain(event) or ""
            if name not in known:
                if len(known) >= MOST_EVENTS:
                    name = OTHER_EVENTS
                known.add(name)
            self._counts[Counted(agent_id, hook, name, status)] += 1
            self._start()
        self._something.set()

    def record(self, one: Recorded) -> None:
        """Note a delivery that ran no turn, and count it."""
        with self._lock:
            kept = self._recorded.setdefault((one.agent_id, one.hook, one.status), [])
            kept.append(one)
            del kept[:-OF_ONE_HOOK]
        self.count(one.agent_id, one.hook, one.event, one.status)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pumice-deliveries", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        store = StoreConnection(self._settings)
        while True:
            self._something.wait()
            time.sleep(INTERVAL)
            self._something.clear()
            with self._lock:
                counts, self._counts = self._counts, Counter()
                recorded, self._recorded = self._recorded, {}
            rows = [one for kept in recorded.values() for one in kept][-MOST:]
            for one, number in counts.items():
                if one.status == UNSELECTED:
                    log.warning("hook_selected_no_session", agent=one.agent_id, hook=one.hook, deliveries=number)
            try:
                write(store, rows, counts)
            except StoreAwayError:
                with self._lock:
                    self._counts.update(counts)
                self._something.set()
            except Exception:
                log.exception("deliveries_not_noted", rows=len(rows))
