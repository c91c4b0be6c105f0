"""Starting the quarantine of a worker process when there are suspects, and ending it with the worker."""

import subprocess
import sys
import zlib
from collections.abc import Sequence
from contextlib import suppress

from pumice.logs import get_logger
from pumice.sessions.connections import StoreConnection
from pumice.sessions.suspects import give_place, list_groups, take_place
from pumice.settings import Settings

log = get_logger("pumice.quarantine")


class QuarantineStarter:
    """Has one quarantine run where groups wait, of all workers that serve the same agents. For one thread.

    The place is an advisory lock. Behind a pooler, which has none, each worker may have a quarantine: that costs memory
    and is no harm.
    """

    def __init__(self, settings: Settings, agents: Sequence[str]) -> None:
        self._pooled = settings.database_pooled
        self._agents = sorted(agents)
        self._place = zlib.crc32(",".join(self._agents).encode()) & 0x7FFFFFFF
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def look(self, store: StoreConnection) -> None:
        """Start a quarantine if groups wait and none runs. Raises `StoreAwayError`."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._process = None
            if not self._pooled:
                give_place(store, self._place)
        if self._stopped or not list_groups(store, self._agents):
            return
        if self._pooled or take_place(store, self._place):
            self._process = subprocess.Popen([sys.executable, "-m", "pumice_workers.quarantine"])
            log.info("quarantine_started", pid=self._process.pid)

    def stop(self, timeout: float = 0.0) -> None:
        """Ask the quarantine to end, and wait for that as long as `timeout` seconds."""
        self._stopped = True
        if (process := self._process) is not None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout)
