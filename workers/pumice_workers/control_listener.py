"""Orders to workers through Redis: `cancel` a run whose lease was taken, `interrupt` a chat for a newer one.

An order may be lost: a cancelled run's commit is refused anyway, and an uninterrupted chat just runs to its end.
"""

import threading
import time
from typing import Any

import orjson
import redis

from pumice.logs import get_logger
from pumice.messaging.events import CONTROL
from pumice.messaging.redis_connection import connect
from pumice_workers.services import Services
from pumice_workers.wake_runner import WakeRunner
from pumice_workers.watcher import Watcher

log = get_logger("pumice.control")


class ControlListener:
    """A thread that listens for orders."""

    def __init__(self, services: Services, runner: WakeRunner, watcher: Watcher) -> None:
        self._client: Any = connect(services.settings.redis_url)
        self._loop = services.loop
        self._runner = runner
        self._watcher = watcher

    def start(self) -> None:
        """Start the thread."""
        threading.Thread(target=self._run, name="pumice-control", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                self._listen()
            except (redis.RedisError, OSError) as error:
                log.debug("control_waits", error=error)
            except Exception:
                log.exception("control_failed")
            time.sleep(1)

    def _listen(self) -> None:
        pubsub = self._client.pubsub(ignore_subscribe_messages=True)
        try:
            pubsub.subscribe(CONTROL)
            while True:
                message = pubsub.get_message(timeout=5.0)
                if message is None:
                    pubsub.ping()
                elif message["type"] == "message":
                    self._obey(orjson.loads(message["data"]))
        finally:
            pubsub.close()

    def _obey(self, order: dict[str, Any]) -> None:
        key = tuple(order.get("cancel") or order.get("interrupt") or ())
        for run in self._runner.runs:
            if run.key != key:
                continue
            if "interrupt" in order:
                run.interrupt(order["by"], self._loop)
            elif order.get("token") == run.lease.token:
                self._watcher.lose(run)
