"""The process of one group of suspects: a worker process that runs the sessions of its group and nothing else."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from pumice.errors import StoreAwayError
from pumice.logs import get_logger
from pumice.sessions.connections import StoreConnection
from pumice.sessions.suspects import clear, list_members
from pumice.settings import Settings
from pumice_workers.worker_process import WorkerProcess

THREADS = 8
"""Threads for sync turns of a group at the most."""
CONNECTIONS = 2
"""Connections for claims of one group: eight groups side by side must not use up what Postgres has."""
QUEUE = "hooks"
"""The queue in which a session that has more to do is woken again once it is trusted."""
LOOK = 0.2
"""Seconds between two looks at the group, and at whether the parent lives."""
PATIENCE = 5.0
"""Seconds for which a group goes on when threads are stuck and nothing that counts runs; another process continues."""

log = get_logger("pumice.quarantine")


def run_group(settings: Settings, group: int, worker_id: int) -> None:
    """Run a group's sessions until none has work that is due, or SIGTERM, or the parent's end."""
    settings = settings.model_copy(update={"worker_concurrency": min(settings.worker_concurrency, THREADS)})
    stop = threading.Event()
    process = WorkerProcess(settings, connections=CONNECTIONS)

    def asked(*_: Any) -> None:
        process.runner.stopping = True
        stop.set()

    signal.signal(signal.SIGTERM, asked)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
    threading.Thread(target=_end_with, args=(os.getppid(), asked), name="pumice-parent", daemon=True).start()
    process.start_for_group(group, worker_id)
    try:
        _run_all(process, group, stop)
    except StoreAwayError as error:
        log.warning("quarantine_group_waits", group=group, error=error)
    process.stop()


def _run_all(process: WorkerProcess, group: int, stop: threading.Event) -> None:
    """Run what is due in the group, each session by a wake of its own, until nothing is left."""
    store = StoreConnection(process.settings)
    pool = ThreadPoolExecutor(process.settings.worker_concurrency, thread_name_prefix="pumice-group")
    agents = list(process.registry)
    pending: set[tuple[str, str]] = set()
    busy = time.monotonic()
    while not stop.is_set():
        clear(store, group)
        members = list_members(store, group, agents)
        for member in members:
            if member not in pending:
                pending.add(member)
                run = pool.submit(process.runner.run_wake, QUEUE, [member])
                run.add_done_callback(partial(_done, pending, member))
        if process.runner.runs.wait_empty(LOOK):
            if not pending and not members:
                return
            if time.monotonic() - busy > PATIENCE:
                return
            stop.wait(LOOK / 4)
        else:
            busy = time.monotonic()


def _done(pending: set[tuple[str, str]], member: tuple[str, str], _: "Future[None]") -> None:
    pending.discard(member)


def _end_with(parent: int, ask: Callable[[], None]) -> None:
    """Stop when the parent is gone: nobody else would."""
    while os.getppid() == parent:
        time.sleep(LOOK)
    ask()
