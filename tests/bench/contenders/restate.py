"""Restate, with every default of its server but ports and telemetry, and its Python SDK behind hypercorn."""

import shutil
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar

import httpx

from tests.bench.contenders.contender import Contender, free_port
from tests.bench.contenders.echo import chat_body
from tests.bench.loader.caller import Caller
from tests.bench.loader.http import Address, post
from tests.bench.peers.installation import HYPERCORN_SETTINGS, UNTRACKED, Installation
from tests.bench.stack.servers import Servers
from tests.bench.verify.restate import RestateTruth
from tests.bench.verify.truth import Truth
from tests.support.waiting import wait_until

PARTITIONS = 24
"""The server's default, said here because more or fewer change its speed."""

START_TIMEOUT = 30.0


class Restate(Contender):
    """The server is front and store in one; the only worker runs the handlers of tests.bench.peers.restate_service."""

    name: ClassVar[str] = "restate"
    pace: ClassVar[float] = 0.1

    def __init__(self, servers: Servers, directory: Path, installation: Installation) -> None:
        super().__init__(servers, directory)
        self.installation = installation
        self.data = directory / "restate-data"
        self.admin: Address = ("127.0.0.1", free_port())
        self.node_port = free_port()
        self.service_port = free_port()

    def offers(self, workload: str) -> bool:
        """Take part where it has a counterpart; it is not made to accept without a service to push at."""
        return workload in {"burst", "hotkey", "chat", "fanout"}

    def prepare(self) -> None:
        """Need nothing: the store is made anew with each start."""

    def commands(self, fronts: int, workers: int) -> dict[str, list[list[str]]]:
        """Start one server, which uses all cores by itself, and one process for the handlers."""
        service = [str(self.installation.python), "-m", "hypercorn", "-c", str(HYPERCORN_SETTINGS), "-w", "1"]
        bound = ["-b", f"127.0.0.1:{self.service_port}", "tests.bench.peers.restate_service:app"]
        return {"front": [[str(self.installation.server), "--no-logo"]], "worker": [[*service, *bound]]}

    def environment(self, fronts: int) -> dict[str, str]:
        """Give the server ports and a folder; durability stays as it comes."""
        return {
            **UNTRACKED,
            "RESTATE_DISABLE_TELEMETRY": "true",
            "RESTATE_BASE_DIR": str(self.data),
            "RESTATE_NODE_NAME": "bench",
            "RESTATE_DEFAULT_NUM_PARTITIONS": str(PARTITIONS),
            "RESTATE_LISTEN_MODE": "tcp",
            "RESTATE_BIND_ADDRESS": f"127.0.0.1:{self.node_port}",
            "RESTATE_ADMIN__BIND_ADDRESS": f"{self.admin[0]}:{self.admin[1]}",
            "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{self.port}",
            "RESTATE_LOG_FILTER": "warn",
        }

    def start(self, roles: Sequence[str], fronts: int, workers: int) -> None:
        """Start with an empty folder, and tell the server where the handlers are."""
        shutil.rmtree(self.data, ignore_errors=True)
        super().start(roles, fronts, workers)
        wait_until(self._registered, START_TIMEOUT, "Restate has found its service")

    def stop(self, role: str | None = None) -> None:
        """End the processes, and remove what the server has stored."""
        super().stop(role)
        if role is None:
            shutil.rmtree(self.data, ignore_errors=True)

    def truth(self) -> AbstractContextManager[Truth | None]:
        """Ask the server."""
        return RestateTruth.on(self.admin)

    def make_job_due(self, sessions: int) -> float:
        """Send to the service that sends to each session."""
        caller = Caller(self.address)
        asked = time.monotonic()
        answer = caller.ask(post("/Ticker/fan_out/send", sessions))
        caller.close()
        if answer.status != 202:
            raise RuntimeError(f"the fan-out was answered with {answer.status}: {answer.body!r}")
        return asked

    def hook(self, fields: dict[str, Any]) -> bytes:
        """Send to the session; the answer comes when that is in the log."""
        return post(f"/Session/{fields['session']}/event/send", fields)

    def chat(self, session_id: str, messages: Sequence[str]) -> bytes:
        """Call the session, and wait for its answer."""
        return post(f"/Session/{session_id}/chat", chat_body(session_id, messages))

    def _registered(self) -> bool:
        """Tell the server where the service is; it refuses while that does not answer."""
        self.require_alive()
        try:
            service = {"uri": f"http://127.0.0.1:{self.service_port}"}
            return httpx.post(f"http://{self.admin[0]}:{self.admin[1]}/deployments", json=service).is_success
        except httpx.TransportError:
            return False
