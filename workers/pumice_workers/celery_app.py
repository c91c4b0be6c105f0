"""The Celery app of workers and beat. Wakes are disposable, so: no results, early acks, JSON only."""

import os
import threading
from typing import Any

from celery import Celery, signals
from kombu import Queue

from pumice.logs import set_up_logging
from pumice.messaging.redis_transport import TRANSPORT_OPTIONS, stop_reading, transport_for
from pumice.messaging.wakes import queue_of
from pumice.settings import QUEUES, Settings
from pumice_workers import prefork
from pumice_workers.starting import load_agents_or_end
from pumice_workers.wake_reader import is_read_here
from pumice_workers.worker_process import WorkerProcess


def make_celery(settings: Settings) -> Celery:
    """The Celery app for these settings."""
    app = Celery("pumice", broker=settings.broker, include=["pumice_workers.tasks"])
    app.conf.update(
        task_queues=[Queue(queue_of(name, settings.release), durable=True) for name in QUEUES],
        task_default_queue=queue_of("hooks", settings.release),
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_pool_limit=2,
        broker_transport=transport_for(settings.broker, stock=settings.runs_stock("kombu")),
        broker_transport_options=TRANSPORT_OPTIONS,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_redirect_stdouts=False,
        beat_max_loop_interval=1,
        beat_scheduler="pumice_workers.beat:TickScheduler",
    )
    if not settings.runs_stock("celery"):
        app.conf.worker_consumer = "pumice_workers.consumer:Consumer"
    app.settings = settings
    return app


class _Process:
    """This process's runtime: made on first use, and made anew in a forked child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runtime: WorkerProcess | None = None
        self._pid = 0
        self._stopping = threading.Lock()
        self._finished: bool | None = None

    def runtime(self) -> WorkerProcess:
        """The runtime of this process."""
        with self._lock:
            if self._runtime is None or self._pid != os.getpid():
                self._runtime, self._pid = WorkerProcess(celery.settings), os.getpid()
                self._runtime.start()
            return self._runtime

    def stop_reading(self) -> None:
        """Take no more messages in this process, which is about to stop."""
        stop_reading()
        if self._runtime is not None and self._pid == os.getpid():
            self._runtime.stop_reading()

    def stop(self) -> bool:
        """Stop the runtime, if this process has one. Returns whether all turns were finished."""
        runtime = self._runtime if self._pid == os.getpid() else None
        if runtime is None:
            return True
        with self._stopping:
            if self._finished is None:
                self._finished = runtime.stop()
            return self._finished


celery = make_celery(Settings.from_env())
set_up_logging(celery.settings.log_level, form=celery.settings.log_format, timed=not celery.settings.pumice_dev)
process = _Process()


@signals.setup_logging.connect
def _leave_logging(**_: Any) -> None:
    """Keep Celery from setting up logging, which it does when nobody listens to this."""


@signals.celeryd_init.connect
def _on_init(**_: Any) -> None:
    """End before the broker is asked for work, if the agents don't load."""
    load_agents_or_end(celery.settings)


@signals.worker_ready.connect
def _on_worker_ready(sender: Any, **_: Any) -> None:
    if celery.settings.worker_pool == "prefork":
        return
    runtime = process.runtime()
    if is_read_here(celery.settings):
        runtime.read(queue.name for queue in sender.task_consumer.queues)


@signals.worker_process_init.connect
def _on_process_init(**_: Any) -> None:
    prefork.prepare_child(process.stop)
    process.runtime()


@signals.worker_shutting_down.connect
def _on_shutting_down(**_: Any) -> None:
    """Take no more wakes, and give the turns their time in a thread.

    Celery's own wait has no end, so leave hard when ours is over.
    """

    def leave() -> None:
        if not process.stop():
            os._exit(0)

    if celery.settings.worker_pool == "prefork":
        threading.Thread(target=prefork.end, args=(celery.settings.shutdown_timeout,), daemon=True).start()
    else:
        threading.Thread(target=leave, name="pumice-stop").start()
    process.stop_reading()  # last: what it may raise must not keep the stop from beginning


@signals.worker_process_shutdown.connect
def _on_process_shutdown(**_: Any) -> None:
    process.stop()
