"""How a prefork pool stops in time, whichever of its processes the stop signal reaches.

Some platforms (Heroku, honcho) send SIGTERM to every process, and the pool's children would die of it at once. So
children take no notice of SIGTERM. The parent, which does, tells them by SIGUSR2; each then finishes its turn, or hands
it back when the time is over. Celery itself would wait for a turn without end.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from billiard import active_children
from celery import signals

GRACE = 3.0
"""Seconds beyond the time for turns in which children commit, hand back and leave."""
PACE = 0.1
"""Seconds between two looks at the children."""


def prepare_child(stop: Callable[[], bool]) -> None:
    """Have this child stop by SIGUSR2 and live on after SIGTERM. `stop` returns whether all turns were finished.

    The pool replaces every handler of SIGTERM once a child is set up, unless the signal is ignored. But programs that a
    handler starts would inherit that, so a task's first act is to put a handler in its place.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signals.task_prerun.connect(_take_no_notice, weak=False)
    signal.signal(signal.SIGUSR2, partial(_leave, stop))


def end(timeout: float) -> None:
    """End this parent and its children; turns get `timeout` seconds. For a thread: Celery may end the process first."""
    over = time.monotonic() + timeout + GRACE
    _signal_children(signal.SIGUSR2)
    while active_children() and time.monotonic() < over:
        time.sleep(PACE)
    _signal_children(signal.SIGKILL)
    os._exit(0)


def _take_no_notice(**_: Any) -> None:
    signal.signal(signal.SIGTERM, lambda *_: None)


def _leave(stop: Callable[[], bool], *_: Any) -> None:
    """Stop on a thread, so that the turn on this one goes on meanwhile."""

    def leave() -> None:
        if not stop():
            os._exit(0)

    threading.Thread(target=leave, name="pumice-stop").start()


def _signal_children(number: signal.Signals) -> None:
    for child in active_children():
        try:
            os.kill(child.pid, number)
        except ProcessLookupError:
            continue
