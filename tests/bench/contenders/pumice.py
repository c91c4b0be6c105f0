"""Pumice, started as its Procfile starts it."""

import json
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import psycopg

from tests.bench.contenders.contender import Contender
from tests.bench.contenders.echo import chat_body
from tests.bench.loader.http import post
from tests.bench.loader.sockets import handshake
from tests.bench.stack.processes import python, run_command
from tests.bench.stack.servers import Servers
from tests.bench.verify.pumice import PumiceTruth
from tests.bench.verify.truth import Truth

AGENTS = {
    "bench": "tests.bench.agents:Bench",
    "waiting": "tests.bench.agents:Waiting",
    "streaming": "tests.bench.agents:Streaming",
}
PUMICE = python("-m", "pumice.cli")
"""The `pumice` command of this checkout, installed or not."""

MINUTE = 60
BEAT_START = 20
"""Seconds that beat gets to be up before a job is due."""


class Pumice(Contender):
    """Everything but the limits on queues is as it comes."""

    name: ClassVar[str] = "pumice"
    order: ClassVar[str] = "seq"
    first_frame: ClassVar[str | None] = "session"

    def __init__(self, servers: Servers, directory: Path) -> None:
        super().__init__(servers, directory)
        self.keys: dict[str, str] = {}

    def offers(self, workload: str) -> bool:
        """Offer everything."""
        return True

    def prepare(self) -> None:
        """Migrate, and make a key for each agent."""
        self.database_url = self.servers.create_database("bench_pumice")
        self.redis_url = self.servers.redis_database(2)
        run_command([*PUMICE, "db", "upgrade"], self.environment(1))
        for agent in AGENTS:
            command = [*PUMICE, "keys", "create", "--agent", agent, "--kind", "public"]
            self.keys[agent] = run_command(command, self.environment(1)).split()[-1]

    def truth(self) -> AbstractContextManager[Truth | None]:
        """Open the tables."""
        return PumiceTruth.on(self.database_url, self.order)

    def commands(self, fronts: int, workers: int) -> dict[str, list[list[str]]]:
        """One `pumice web` has as many processes as WEB_CONCURRENCY says; each `pumice worker` is one."""
        return {"front": [[*PUMICE, "web"]], "worker": [[*PUMICE, "worker"]] * workers}

    def environment(self, fronts: int) -> dict[str, str]:
        """Say where the servers are and what is served; a whole workload may wait on one session."""
        return {
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "AGENTS": ",".join(f"{agent}={where}" for agent, where in AGENTS.items()),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "WEB_CONCURRENCY": str(fronts),
            "QUEUE_LIMIT": "10000000",
            "AGENT_QUEUE_LIMIT": "10000000",
            "LOG_LEVEL": "warning",
        }

    def make_job_due(self, sessions: int) -> float:
        """Start beat shortly before a full minute, at which the job is due."""
        until = MINUTE - time.time() % MINUTE
        if until < BEAT_START:
            until += MINUTE
        time.sleep(until - BEAT_START)
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            connection.execute("truncate jobs, job_gaps, beats, ticks")  # or beat catches up on what was due since
        self.start_role("beat", [[*PUMICE, "beat"]], 1)
        due = (time.time() // MINUTE + 1) * MINUTE
        time.sleep(max(0.0, due - time.time()))
        return time.monotonic() - (time.time() - due)

    def hook(self, fields: dict[str, Any]) -> bytes:
        """Post to the agent's hook."""
        return post("/v1/agents/bench/hooks/event", fields)

    def chat(self, session_id: str, messages: Sequence[str]) -> bytes:
        """Post to the chat of the agent that waits, or of the one that doesn't."""
        return post("/v1/chat", chat_body(session_id, messages), [f"x-api-key: {self._key(messages)}"])

    def stream(self, session_id: str, messages: Sequence[str]) -> bytes:
        """Post to the chat of the agent that streams, and ask for a stream."""
        headers = [f"x-api-key: {self.keys['streaming']}", "Accept: text/event-stream"]
        return post("/v1/chat", chat_body(session_id, messages), headers)

    def socket(self, session_id: str) -> bytes:
        """Open the socket of a session."""
        return handshake(f"/v1?agent_id=bench&api_key={self.keys['bench']}&sessionId={session_id}")

    def said(self, text: str) -> bytes:
        """Say one thing as the user."""
        return json.dumps({"role": "user", "content": text}).encode()

    def _key(self, messages: Sequence[str]) -> str:
        return self.keys["waiting" if messages[-1] == "wait" else "bench"]
