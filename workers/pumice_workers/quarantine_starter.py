"""Starting the quarantine of a worker process when there are suspects, and ending it with the worker."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

from pumice.logs import get_logger
from pumice.sessions.connections import StoreConnection
from pumice.sessions.suspects import is_expected, list_groups, take_place

log = get_logger("pumice.quarantine")


class QuarantineStarter:
    """Has one quarantine run where groups wait, of all workers that serve the same agents. For one thread.

    Two may run for a moment: leases keep them apart.
    """

    def __init__(self, agents: Sequence[str]) -> None:
        self._agents = agents
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def look(self, store: StoreConnection) -> None:
        """Start a quarantine if groups wait, or will soon, and none runs. Raises `StoreAwayError`."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._process = None
        if self._stopped or not (list_groups(store, self._agents) or is_expected(store)):
            return
        if (place := take_place(store, self._agents)) is not None:
            command = [sys.executable, "-m", "pumice_workers.quarantine", str(place), str(os.getpid())]
            self._process = subprocess.Popen(command)  # noqa: S603 (all of it is ours)
            log.info("quarantine_started", pid=self._process.pid)

    def stop(self, timeout: float = 0.0) -> None:
        """Ask the quarantine to end, and wait for that as long as `timeout` seconds."""
        self._stopped = True
        if (process := self._process) is not None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout)
