"""What the tests of outgoing events share: endpoints, deliveries, and workers that only send."""

import os
import signal
from typing import Any

from pumice.agents.outgoing import NewEndpoint
from pumice.sessions import outgoing_endpoints as endpoints
from pumice.sessions.connections import StoreConnection
from tests.support.stack import Process, Stack
from tests.support.waiting import wait_until

AGENTS = "shop=tests.support.agents_outgoing:Shop,other=tests.support.agents_outgoing:Shop"
REDIS_DATABASE = 13
NO_SENDING = {"WORKER_QUEUES": "chat,hooks,jobs"}
ONLY_SENDING = {"WORKER_QUEUES": "outgoing", "OUTGOING_PRIVATE": "127.0.0.0/8"}


def endpoint(
    store: StoreConnection, url: str, *events: str, agent: str = "shop", thin: bool = False
) -> tuple[str, str]:
    """A new endpoint's id and secret."""
    made, secret = endpoints.create(store, agent, NewEndpoint(url, events or ("*",), thin))
    return made.id, secret


def deliveries(stack: Stack, event: str) -> list[dict[str, Any]]:
    found = stack.query("select * from outgoing_deliveries where event_id = %s", event)
    return sorted(found, key=lambda row: str(row["endpoint_id"]))


def status(stack: Stack, event: str) -> list[str]:
    return [row["status"] for row in deliveries(stack, event)]


def delivered(stack: Stack, event: str) -> None:
    wait_until(lambda: set(status(stack, event)) == {"delivered"}, 40, f"the delivery of {event}")


def attempted(stack: Stack, event: str, count: int) -> dict[str, Any]:
    """The only delivery of an event, once so many attempts are recorded."""
    return wait_until(lambda: next((row for row in deliveries(stack, event) if row["attempts"] == count), {}), 20)


def killed(process: Process) -> None:
    process.send(signal.SIGKILL)
    process.wait_ended()


def lives(process: Process) -> bool:
    try:
        os.kill(process.pid, 0)
    except (AssertionError, ProcessLookupError):
        return False
    return True


def due_now(stack: Stack) -> None:
    """Let leases and waits be over."""
    stack.query("update outgoing_deliveries set next_at = now(), claimed_until = null where status = 'pending'")
    stack.query("update outgoing_endpoints set not_before = null")
