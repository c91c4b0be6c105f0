"""The stack on which retries, cancelling, busy sessions, limits and credentials are tested."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import jwt
import psycopg

from pumice.dev.children import Guard
from tests.support.client import AgentClient
from tests.support.stack import Stack
from tests.support.waiting import wait_until

T = TypeVar("T")

CONTROL_AGENTS = ",".join(
    f"{name}=tests.support.agents_control:{cls}"
    for name, cls in {
        "flaky": "Flaky",
        "flaky-too": "Flaky",
        "hanging": "Hanging",
        "rejecting": "Rejecting",
        "latest": "Latest",
        "merging": "Merging",
        "patient": "Patient",
        "interrupted": "Interrupted",
        "chunks": "Chunks",
        "async-chunks": "AsyncChunks",
        "mixed-chunks": "MixedChunks",
        "guarded": "Guarded",
        "guarded-too": "Guarded",
        "timekeeper": "Timekeeper",
        "plain": "Echo",
        "open": "Open",
    }.items()
)
TOKEN_SECRET = "a secret of thirty-two characters, and as many more for HS512: sixty-six."
CONTROL_SETTINGS = {"SESSION_TOKEN_SECRET": TOKEN_SECRET, "LEASE_SECONDS": "30"}
REDIS_DATABASE = 2
ASYNC = {"Prefer": "respond-async"}


def session_token(session: str, agent: str = "guarded", *, key: str = TOKEN_SECRET, **claims: Any) -> str:
    """A session token, good for a minute unless the claims say otherwise; a claim of None is left out."""
    all_claims = {"aud": agent, "sub": session, "exp": datetime.now(UTC) + timedelta(minutes=1), **claims}
    return jwt.encode({name: value for name, value in all_claims.items() if value is not None}, key, "HS256")


def started(function: Callable[..., T], *arguments: Any, **options: Any) -> "Future[T]":
    """Call a function in a thread of its own."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(function, *arguments, **options)
    pool.shutdown(wait=False)
    return future


def accept(agent: AgentClient, text: str, session: str, **headers: str) -> str:
    """A chat that nobody waits for; its interaction's id."""
    answer = agent.chat(text, session, headers=ASYNC | headers)
    assert answer.status_code == 202, answer.text
    interaction_id: str = answer.json()["interactionId"]
    return interaction_id


def send_hook(agent: AgentClient, name: str, session: str, **query: Any) -> str:
    """A hook that nobody waits for; its interaction's id."""
    answer = agent.hook(name, params={"session": session, **query}, headers=ASYNC)
    assert answer.status_code == 202, answer.text
    interaction_id: str = answer.json()["interactionId"]
    return interaction_id


def wait_accepted(agent: AgentClient, session: str, count: int) -> list[dict[str, Any]]:
    """The session's interactions, once there are so many."""

    def look() -> list[dict[str, Any]]:
        found = agent.interactions(session)
        return found if len(found) >= count else []

    return wait_until(look, 10, f"{count} accepted")


def messages(agent: AgentClient, session: str) -> list[tuple[str, str]]:
    """A session's conversation: roles and contents."""
    return [(one["role"], one["content"]) for one in agent.sessions(f"/{session}/messages").json()["messages"]]


def cancel(agent: AgentClient, session: str, **body: Any) -> list[str]:
    """Cancel through the API; the ids of what was."""
    answer = agent.sessions(f"/{session}/cancel", "POST", **({"json": body} if body else {}))
    assert answer.status_code == 200, answer.text
    cancelled: list[str] = answer.json()["cancelled"]
    return cancelled


def seconds(call: Callable[[], T]) -> tuple[float, T]:
    """How long a call took, and what it returned."""
    began = time.monotonic()
    value = call()
    return time.monotonic() - began, value


@contextmanager
def locked(stack: Stack, session: str) -> Iterator[psycopg.Connection]:
    """Hold a session's row, as a request in the middle of its transaction does; it is committed at the end."""
    with psycopg.connect(stack.database_url) as connection:
        connection.execute("select from sessions where id = %s for update", [session])
        yield connection


def wait_locked_out(stack: Stack) -> None:
    """Return when somebody waits for a lock."""
    waits = "select pid from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    wait_until(lambda: stack.query(waits), 5, "somebody who waits for the session")


@contextmanager
def lone_front(database_url: str, redis_url: str) -> Iterator[AgentClient]:
    """A front without a worker, and a client of its one agent."""
    environ = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "AGENTS": "plain=tests.support.agents_chat:Echo"}
    with Guard() as guard:
        stack = Stack(environ, guard)
        with stack.front() as front:
            yield stack.agent("plain", front.url)
