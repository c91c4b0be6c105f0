"""The usual stack: tests.bench.baseline on gunicorn and Celery."""

import time
from collections.abc import Sequence
from typing import Any, ClassVar

from celery import Celery

from tests.bench.contenders.contender import Contender, gunicorn
from tests.bench.contenders.echo import chat_body
from tests.bench.loader.http import post
from tests.bench.stack.processes import python, run_command

PREFETCH = "8"
"""Chosen with the pool, from pools that differ by little more than the machine's noise.

Burst, hot key and chat p50 of prefork with two children and this multiplier: 209 events/s, 209 to 320 turns/s, 8.0 to
9.9 ms. With multiplier 1: 195 to 255, 226 to 332, 10.8 to 11.0. Eight threads, multiplier 2: 256 to 265, 194 to 243,
9.7. Prefork with four children: 249 to 254 events/s.
"""

CREATE = "from tests.bench.baseline.models import Base, engine; Base.metadata.create_all(engine)"


class Baseline(Contender):
    """A task for each interaction, a commit for each turn."""

    name: ClassVar[str] = "baseline"
    pace: ClassVar[float] = 0.1

    def offers(self, workload: str) -> bool:
        """Take part where a comparison is asked for; it has no sockets, and its pool can't wait 300 times at once."""
        return workload in {"accept", "burst", "hotkey", "chat", "loaded", "fanout", "state", "long"}

    def prepare(self) -> None:
        """Create the tables."""
        self.database_url = self.servers.create_database("bench_baseline")
        self.redis_url = self.servers.redis_database(1)
        run_command(python("-c", CREATE), self.environment(1))

    def commands(self, fronts: int, workers: int) -> dict[str, list[list[str]]]:
        """Start a front, and Celery with one child for each worker."""
        quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "warning"]
        worker = python(
            "-m",
            "celery",
            "-A",
            "tests.bench.baseline.tasks:celery",
            "worker",
            "-P",
            "prefork",
            "-c",
            str(workers),
            *quiet,
        )
        return {
            "front": [gunicorn("tests.bench.baseline.front:app", self.port, fronts)],
            "worker": [worker],
        }

    def environment(self, fronts: int) -> dict[str, str]:
        """Say where the servers are."""
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url, "PREFETCH": PREFETCH}

    def make_job_due(self, sessions: int) -> float:
        """Send the task that a beat would send; the clock runs before it is sent, but not while the client connects."""
        with Celery(broker=self.redis_url) as client, client.connection_for_write() as connection:
            connection.connect()
            asked = time.monotonic()
            client.send_task("tests.bench.baseline.tasks.tick", connection=connection)
        return asked

    def hook(self, fields: dict[str, Any]) -> bytes:
        """Post to the only hook."""
        return post("/hooks/event", fields)

    def chat(self, session_id: str, messages: Sequence[str]) -> bytes:
        """Post to the chat, and wait for the reply."""
        return post("/chat", chat_body(session_id, messages))
