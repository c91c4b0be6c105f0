"""Watching the event loop: who blocks it, and what becomes of the sessions that wait behind it.

A handler that is declared async and does not await holds up every other turn on the loop. It can't be cut. It is named
in the log and counted; past `LEASE_SECONDS` the other sessions go to other workers, and once its own time limit is over
and it still does not return, the process starts anew.
"""

import traceback
from collections.abc import Callable

from pumice.agents.failures import author_place
from pumice.logs import get_logger
from pumice.messaging.wakes import WakePublisher
from pumice_workers.event_loop import EventLoop
from pumice_workers.session_run import SessionRun
from pumice_workers.wake_runner import WakeRunner

BLOCKED = 1.0
"""Seconds without a sign of life after which the loop counts as blocked."""
PASS_ON = 0.5
"""Seconds between two times that sessions are passed on while it stays blocked; some of them come back."""

log = get_logger("pumice.watch")


class LoopWatch:
    """Looks after the event loop of one worker process; called by the watcher's thread alone."""

    def __init__(self, loop: EventLoop, runner: WakeRunner, wakes: WakePublisher, lease_seconds: float) -> None:
        self._loop = loop
        self._runner = runner
        self._wakes = wakes
        self._lease_seconds = lease_seconds
        self._told = False
        self._looked = 0.0
        self._passed_on = 0.0

    def look(self, now: float, count: Callable[[str], None], start_anew: Callable[[str], None]) -> None:
        """Look once. `count` counts an event by its name, `start_anew` replaces the process, for a reason."""
        since = now - self._looked
        if since > BLOCKED:
            self._loop.excuse(since - BLOCKED / 2, now)
        self._looked = now
        blocked = self._loop.blocked_for(now, busy=bool(self._runner.runs.agents_on_loop))
        if blocked < BLOCKED:
            self._told = False
            return
        if not self._told:
            self._told = True
            count("loop_blocked")
            log.warning("loop_blocked", at=author_place("".join(traceback.format_stack(self._loop.frame))))
        if blocked > self._lease_seconds and now - self._passed_on > PASS_ON:
            self._passed_on = now
            self._pass_on(start_anew)

    def _pass_on(self, start_anew: Callable[[str], None]) -> None:
        task = self._loop.current_task
        runs = self._runner.runs.on_loop
        others = [run for run in runs if not _is_run_by(run, task)]
        if len(others) == len(runs):
            start_anew("the event loop is blocked by what no session runs any more")
            return
        self._runner.hand_back(others)
        if self._runner.scheduler is not None:
            for queue, keys in self._runner.scheduler.take_out(self._runner.runs.agents_on_loop).items():
                self._wakes.spread(keys, queue)


def _is_run_by(run: SessionRun, task: object) -> bool:
    return run.is_lost is False and run.owns(task)
