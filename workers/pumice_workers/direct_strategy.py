"""How a message becomes a call: a wake goes to the scheduler, anything else to one of the pool's threads.

Celery makes a request object for each message, keeps it in its registers of reserved and active requests, sends
signals about it and traces its run for a result backend. A wake needs none of that: Postgres knows what is under way.
Left out, a lone chat costs a worker a tenth less (see docs/decisions.md). A task says so by
`Strategy="pumice_workers.direct_strategy:direct"`, Celery's own hook for this; pools other than threads get Celery's
default.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.strategy import default

from pumice.logs import get_logger

log = get_logger("pumice.worker")


class _Threads:
    """The pool's threads as this process fills them: how many calls are running or wait for one."""

    def __init__(self, executor: ThreadPoolExecutor, size: int) -> None:
        self._executor = executor
        self._size = size
        self._under_way = 0
        self._lock = threading.Lock()

    def submit(self, function: Callable[..., Any], arguments: Any, options: Any, started: Callable[[], Any]) -> bool:
        """Have a function called. Returns whether a thread is free for it; `started` is called if none was."""
        with self._lock:
            self._under_way += 1
            free = self._under_way <= self._size
        self._executor.submit(self._call, function, arguments, options, None if free else started)
        return free

    def _call(
        self, function: Callable[..., Any], arguments: Any, options: Any, started: Callable[[], Any] | None
    ) -> None:
        try:
            if started is not None:
                started()
            function(*arguments, **options)
        except Exception:
            log.exception("task_failed", task=getattr(function, "name", function))
        finally:
            with self._lock:
                self._under_way -= 1


def scheduled(task: Any, app: Any, consumer: Any) -> Callable[..., Any]:
    """The handler of wakes. They are acknowledged at once: Postgres knows what they are for."""
    if app.settings.runs_stock("celery") or not isinstance(
        getattr(consumer.pool, "executor", None), ThreadPoolExecutor
    ):
        return default(task, app, consumer)  # type: ignore[no-any-return]
    from pumice_workers.celery_app import process  # noqa: PLC0415 (it imports the tasks, which name this)

    errors = consumer.connection_errors

    def handle(message: Any, _body: Any, _ack: Any, _reject: Any, _callbacks: Any) -> None:
        message.ack_log_error(log, errors)
        try:
            arguments, _, _ = message.payload
            keys = arguments[0]
        except (TypeError, ValueError, IndexError) as error:
            raise InvalidTaskError(str(error)) from error
        process.runtime().run_sessions(keys, message.delivery_info.get("routing_key", "hooks"), arguments)

    return handle


def direct(task: Any, app: Any, consumer: Any) -> Callable[..., Any]:
    """The handler of a task's messages, as Celery's consumer calls it.

    A message counts against the prefetch limit until its call starts; one that a thread is free for, not at all.
    """
    executor = getattr(consumer.pool, "executor", None)
    if app.settings.runs_stock("celery") or not isinstance(executor, ThreadPoolExecutor):
        return default(task, app, consumer)  # type: ignore[no-any-return]
    threads = _threads(consumer.pool, executor)
    run, errors = task.run, consumer.connection_errors

    def handle(message: Any, _body: Any, ack: Callable[..., Any], _reject: Any, _callbacks: Any) -> None:
        try:
            arguments, options, _ = message.payload
        except (TypeError, ValueError) as error:
            raise InvalidTaskError(str(error)) from error
        if threads.submit(run, arguments, options, partial(ack, log, errors)):
            message.ack_log_error(log, errors)

    return handle


def _threads(pool: Any, executor: ThreadPoolExecutor) -> _Threads:
    """One count for all tasks of a pool."""
    found: _Threads | None = getattr(pool, "pumice_threads", None)
    if found is None:
        found = pool.pumice_threads = _Threads(executor, pool.limit)
    return found
