"""Everything a worker process has, made after the fork: connections, publishers, event loop, runner and its threads."""

import os
import sys
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from pumice.agents.registry import load_agents
from pumice.garbage import collect_rarely
from pumice.logs import get_logger
from pumice.messaging.events import EventPublisher
from pumice.messaging.handed_chats import read_chats
from pumice.messaging.redis_transport import read_elsewhere
from pumice.messaging.wakes import FAN_OUT, RUN_SESSIONS, WakePublisher, base_queue
from pumice.messaging.writers import Message
from pumice.sessions.connections import StoreConnections
from pumice.settings import OUTGOING, Settings
from pumice_workers.committer import Committer
from pumice_workers.control_listener import ControlListener
from pumice_workers.event_loop import EventLoop
from pumice_workers.fan_out_loop import FanOutLoop
from pumice_workers.long_work import long_work
from pumice_workers.outbox import Outbox
from pumice_workers.recheck import Recheck
from pumice_workers.releases import Releases
from pumice_workers.rescue_loop import RescueLoop
from pumice_workers.scheduler import JOBS, Scheduler
from pumice_workers.services import Services
from pumice_workers.sweep_loop import SweepLoop
from pumice_workers.wake_reader import UnreadableMessageError, WakeReader
from pumice_workers.wake_runner import WakeRunner
from pumice_workers.watcher import Watcher

CLAIM_CONNECTIONS = 8
"""Connections for claims and loads of one process; threads wait for one for less than a millisecond."""

SWITCH_INTERVAL = 0.001
"""Seconds that a thread may keep the interpreter from the others; a turn passes through several."""
MOST_WAITING = 4_000
"""Sessions that wait here for one queue, beyond which it is not read: what is left there, other workers may take."""
ANY = 1_000_000
"""Room without a limit of its own."""
MOST_INSTEAD = 1_000
"""Wakes that may wait to be run here while the broker is away."""

log = get_logger("pumice.worker")


class WorkerProcess:
    """One worker process's services, started and stopped together."""

    def __init__(self, settings: Settings, *, connections: int = CLAIM_CONNECTIONS) -> None:
        """`connections`: how many there are for claims and loads at the most."""
        self.settings = settings
        self.registry = load_agents(settings.agents, settings.middleware, settings.code_version)
        self.wakes = WakePublisher(settings, self._run_instead)
        self.events = EventPublisher(settings)
        self.outbox = Outbox(settings)
        self.committer = Committer(settings, self.events, self.wakes, self.outbox.hint)
        stores = StoreConnections(settings, min(connections, settings.worker_concurrency), durable=False)
        loop = EventLoop(settings.worker_async_limit)
        self.recheck = Recheck(settings, self.wakes.wake)
        self.services = Services(
            settings,
            self.registry,
            stores,
            self.committer,
            self.events,
            self.wakes,
            self.recheck,
            loop,
            Releases(settings.release),
        )
        self.runner = WakeRunner(self.services)
        self._reader: WakeReader | None = None
        if settings.worker_pool != "prefork":
            self.runner.scheduler = Scheduler(settings.worker_concurrency, self._run_wake, self._room)
        self.watcher = Watcher(self.services, self.runner)
        self.control = ControlListener(self.services, self.runner, self.watcher)
        self.rescue = RescueLoop(settings, self.runner, self.events, self.wakes, list(self.registry))
        self._on_loop = {one for one, spec in self.registry.items() if spec.may_need_loop}
        self.sweep = SweepLoop(settings)
        self.long_work = long_work(self.services)
        self.fan_out = FanOutLoop(self.services)
        self._instead = ThreadPoolExecutor(settings.worker_concurrency, thread_name_prefix="pumice-instead")
        self._places = threading.BoundedSemaphore(MOST_INSTEAD)

    def start(self) -> None:
        """Start the threads."""
        self._tune()
        self.rescue.start()
        self.sweep.start()
        for loop in self.long_work:
            loop.start()
        if OUTGOING in self.settings.worker_queues.split(","):
            self.outbox.start()
        if JOBS in self.settings.worker_queues.split(",") and not self.settings.release:
            self.fan_out.start()
        self.watcher.start()
        self.control.start()
        log.info("worker_started", pid=os.getpid(), agents=",".join(self.registry))

    def start_for_group(self, group: int, worker_id: int) -> None:
        """Start as the process of a group of suspects: without rescue, and under an id that its parent took."""
        self._tune()
        self.runner.group, self.runner.worker_id, self.runner.scheduler = group, worker_id, None
        self.rescue.ready.set()
        self.watcher.start()
        self.control.start()

    def _tune(self) -> None:
        sys.setswitchinterval(SWITCH_INTERVAL)
        collect_rarely()

    def read(self, queues: Iterable[str]) -> None:
        """Read these queues of a Redis broker from now on, instead of Celery."""
        read_elsewhere()
        self._reader = WakeReader(self.settings, list(queues), self._take, self._has_room)
        self._reader.start()

    def stop_reading(self) -> None:
        """Take no more messages."""
        if self._reader is not None:
            self._reader.stop()

    def _take(self, queue: str, task: str, arguments: list[Any]) -> None:
        """Run a message. Raises `UnreadableMessageError`."""
        if task == FAN_OUT:
            self.fan_out.hint()
        elif task != RUN_SESSIONS:
            raise UnreadableMessageError(f"unknown task {task}")
        elif not arguments or not _are_keys(arguments[0]):
            raise UnreadableMessageError(f"{task} takes a list of [agent id, session id]")
        elif self.runner.stopping:
            self.runner.leave_to_others(arguments[0])
        else:
            self.run_sessions(arguments[0], queue, arguments)

    def _has_room(self, queue: str) -> bool:
        scheduler = self.runner.scheduler
        return scheduler is None or scheduler.waiting(base_queue(queue)) <= MOST_WAITING

    def run_sessions(self, keys: list[list[str]], queue: str, arguments: Sequence[Any] = ()) -> None:
        """Run the sessions of a wake that came in `queue`: on the scheduler's threads or, in a prefork child, here.

        arguments: all that the wake carries.
        """
        queue = base_queue(queue)
        self.runner.handed.put(read_chats(arguments))
        if self.runner.scheduler is None:
            self._run_wake(queue, keys)
        else:
            self.runner.scheduler.put(queue, keys)

    def _run_wake(self, queue: str, keys: Sequence[Sequence[str]]) -> None:
        self.rescue.ready.wait()
        self.runner.run_wake(queue, keys)

    def _room(self, agent_id: str) -> int:
        """How many of an agent's sessions may begin now."""
        if agent_id not in self._on_loop:
            return ANY
        return self.runner.runs.room_on_loop(agent_id, self.settings.worker_async_limit)

    def _run_instead(self, messages: list[Message]) -> None:
        """Run here what the broker does not take. What finds no place is woken again by rescue."""
        for queue, task, arguments in messages:
            if not self.runner.stopping and self._places.acquire(blocking=False):
                call = partial(self.run_sessions, arguments[0], queue) if task == RUN_SESSIONS else self.fan_out.hint
                self._instead.submit(call).add_done_callback(lambda _: self._places.release())

    def stop(self) -> bool:
        """Finish what runs, or hand it back when the time is over. Returns whether all was finished."""
        self.runner.stopping = True
        self.outbox.end()
        self.fan_out.stop()
        self.rescue.quarantine.stop()
        if self.runner.scheduler is not None and (waiting := self.runner.scheduler.stop()):
            self.runner.leave_to_others(waiting)
        self._instead.shutdown(wait=False, cancel_futures=True)
        finished = self.runner.runs.wait_empty(self.settings.shutdown_timeout)
        if not finished:
            left = list(self.runner.runs)
            log.warning("turns_handed_back", count=len(left))
            for run in left:
                run.cancel(self.services.loop)
            self.runner.hand_back(left)
        self.committer.stop()
        self.outbox.stop()
        self.recheck.stop()
        self.watcher.stop()
        self.rescue.stop()
        self.sweep.stop()
        for loop in self.long_work:
            loop.stop()
        self.events.stop()
        self.wakes.stop()
        return finished and not (self.runner.scheduler and self.runner.scheduler.lost)


def _are_keys(keys: Any) -> bool:
    """Whether these name sessions."""
    return isinstance(keys, list) and all(
        isinstance(key, list) and len(key) == 2 and isinstance(key[0], str) and isinstance(key[1], str)  # noqa: PLR2004
        for key in keys
    )
