"""Quarantine: a process beside a worker that runs suspects, each group of them in a fork of its own.

`python -m pumice_workers.quarantine PLACE` loads the agents once and has one thread, so that it can fork: a group costs
a fork, not a start. It ends when there were no suspects for a while; when its worker is gone, after what runs then; or
by SIGTERM, which gives its groups the time of any stop and leaves them as they are. See `pumice.sessions.suspects` for
the states.
"""

import gc
import os
import signal
import sys
import time
from contextlib import suppress
from typing import Any, NoReturn

from pumice.errors import StoreAwayError
from pumice.logs import get_logger, set_up_logging
from pumice.sessions.connections import StoreConnection
from pumice.sessions.presence import register, seen
from pumice.sessions.suspects import SuspectGroup, give_place, group_ended, list_groups
from pumice.settings import Settings
from pumice_workers.quarantined_group import run_group
from pumice_workers.starting import load_agents_or_end

PROCESSES = 8
"""Groups that run side by side."""
PACE = 0.05
"""Seconds between two looks at the processes."""
LOOK = 0.25
"""Seconds between two looks for groups."""
GRACE = 10.0
"""Seconds beyond a stop's own time after which a group's process is killed."""
IDLE = 10.0
"""Seconds without suspects after which the quarantine ends; as it starts when a worker falls silent, a lease's time."""

log = get_logger("pumice.quarantine")


class Quarantine:
    """Finds groups, runs each in a fork, and says what became of it."""

    def __init__(self, settings: Settings, agents: list[str], place: int, worker: int) -> None:
        self._place = place
        self._settings = settings
        self._agents = agents
        self._store = StoreConnection(settings)
        self._parent = worker
        self._running: dict[int, tuple[SuspectGroup, int]] = {}
        self._ended: list[tuple[SuspectGroup, int, bool]] = []
        self._stopping = False
        self._patience = float("inf")

    def run(self) -> None:
        """Work until there is nothing to do."""
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        looked, busy = 0.0, time.monotonic()
        while True:
            self._reap()
            now = time.monotonic()
            if now > self._patience:
                self._send(signal.SIGKILL)  # a turn that keeps the interpreter to itself hears of no stop
            if os.getppid() != self._parent:
                self._stopping = True  # its worker is gone: what runs goes on, another quarantine takes the rest
            try:
                self._settle()
                if not self._stopping and now - looked > LOOK:
                    looked = now
                    seen(self._store, self._place)
                    self._look()
            except StoreAwayError as error:
                log.warning("quarantine_waits", error=error)
            if self._running or self._ended:
                busy = now
            elif self._stopping or now - busy > IDLE:
                break
            time.sleep(PACE)
        with suppress(StoreAwayError):
            give_place(self._store, self._place)

    def _stop(self, *_: Any) -> None:
        self._stopping = True
        self._patience = min(self._patience, time.monotonic() + self._settings.shutdown_timeout + GRACE)
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        for pid in self._running:
            os.kill(pid, number)

    def _look(self) -> None:
        taken = {group.id for group, _ in self._running.values()} | {group.id for group, _, _ in self._ended}
        for group in list_groups(self._store, self._agents):
            if len(self._running) >= PROCESSES or self._stopping:
                return
            if group.id not in taken:
                self._start(group)

    def _start(self, group: SuspectGroup) -> None:
        """Run a group in a fork, under a worker id of its own."""
        worker_id = register(self._store, f"quarantine-{group.id}", holds_lock=False, agents=[])
        signals = {signal.SIGTERM, signal.SIGINT}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        pid = os.fork()
        if pid == 0:
            self._become(group, worker_id)
        self._running[pid] = group, worker_id
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)
        log.info("quarantine_group", group=group.id, sessions=group.size)

    def _become(self, group: SuspectGroup, worker_id: int) -> NoReturn:
        """Be the group's process. A session of its own keeps what it does to its process group from the others."""
        try:
            os.setsid()
            os.close(self._store.connection.fileno())  # the parent's: closing it properly would end it there
            run_group(self._settings, group.id, worker_id)
        except BaseException:
            log.exception("quarantine_group_failed", group=group.id)
        finally:
            os._exit(0)  # not lost: only what a turn does to its process is

    def _reap(self) -> None:
        for pid in list(self._running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                group, worker_id = self._running.pop(pid)
                self._ended.append((group, worker_id, status != 0))

    def _settle(self) -> None:
        """Write down what became of the processes that have ended."""
        while self._ended:
            group, worker_id, lost = self._ended[0]
            if lost:
                log.warning("quarantine_lost", group=group.id, sessions=group.size)
            group_ended(self._store, group.id, worker_id, lost=lost)
            self._ended.pop(0)


def main() -> None:
    """Run a quarantine for the settings of the environment. Arguments: its place's id and its worker's process id.

    The worker may be gone before the agents are loaded, so who the parent is by then says nothing.
    """
    settings = Settings.from_env()
    set_up_logging(settings.log_level, form=settings.log_format, timed=not settings.pumice_dev)
    registry = load_agents_or_end(settings)
    gc.collect()
    gc.freeze()
    Quarantine(settings, list(registry), int(sys.argv[1]), int(sys.argv[2])).run()


if __name__ == "__main__":
    main()
    sys.exit(0)
