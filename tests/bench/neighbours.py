"""How long a quiet agent's chats take while another floods the same worker: `python -m tests.bench.neighbours`.

One front and one worker of four threads. The quiet agent is idle at first, which gives the base; then its chats are
measured beside each flood. What counts is the ratio to the idle value; the machine decides the rest.
"""

import argparse
import asyncio
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import httpx

from pumice import Agent, hook, query
from pumice.dev.servers import temporary_postgres, temporary_valkey
from tests.support.client import AgentClient, new_session
from tests.support.databases import database
from tests.support.stack import Stack, running_stack

AGENTS = ",".join(f"{name}=tests.bench.neighbours:{cls}" for name, cls in {
    "noisy": "Noisy", "async-noisy": "AsyncNoisy", "quiet": "Quiet",
}.items())  # fmt: skip
CHATS = 40
PAUSE = 0.05


class Quiet(Agent):
    """Answers at once."""

    def reply(self, messages: Any) -> str:
        """Answer."""
        return "ok"


class Noisy(Agent):
    """Holds its thread as long as it is told to."""

    @hook("in", session=query("session"), respond="accepted", timeout=60)
    def take(self, request: Any) -> None:
        """Hold a thread."""
        time.sleep(float(request.query["seconds"]))

    def reply(self, messages: Any) -> str:
        """Hold a thread, or call 400 sessions."""
        what, _, seconds = messages[-1].text.partition(" ")
        if what == "call":
            for number in range(400):
                self.call(f"{self.session_id}-{number}", "work", float(seconds))
        else:
            time.sleep(float(seconds))
        return "ok"

    def work(self, seconds: float) -> None:
        """Hold a thread."""
        time.sleep(seconds)


class AsyncNoisy(Agent):
    """Holds its place on the loop as long as it is told to."""

    @hook("in", session=query("session"), respond="accepted", timeout=60)
    async def take(self, request: Any) -> None:
        """Hold a place."""
        await asyncio.sleep(float(request.query["seconds"]))


def flood(agent: AgentClient, sessions: int, each: int, seconds: float) -> None:
    """Send hooks to so many sessions."""
    names = [new_session() for _ in range(sessions)]

    def send(number: int) -> None:
        agent.hook("in", params={"session": names[number % sessions], "seconds": str(seconds)})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(sessions * each)))


def chats(agent: AgentClient, sessions: int, seconds: float) -> None:
    """Send chats to so many sessions; nobody waits for them."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: agent.chat(f"hold {seconds}", headers={"Prefer": "respond-async"}), range(sessions)))


def calls(agent: AgentClient, seconds: float) -> None:
    """Have a session call 400 others."""
    agent.chat(f"call {seconds}", new_session(), headers={"Prefer": "respond-async"})


Flood = Callable[[Stack], None]
FLOODS: dict[str, Flood] = {
    "hooks, 4 sessions x 60 of 0.25 s": lambda stack: flood(stack.agent("noisy"), 4, 60, 0.25),
    "hooks, 200 sessions of 0.25 s": lambda stack: flood(stack.agent("noisy"), 200, 1, 0.25),
    "hooks, 2000 sessions of nothing": lambda stack: flood(stack.agent("noisy"), 2_000, 1, 0),
    "chats, 150 sessions of 0.25 s": lambda stack: chats(stack.agent("noisy"), 150, 0.25),
    "calls, 400 sessions of 0.1 s": lambda stack: calls(stack.agent("noisy"), 0.1),
    "hooks that hang, 100 sessions": lambda stack: flood(stack.agent("noisy"), 100, 1, 30),
    "async hooks that hang, 1500": lambda stack: flood(stack.agent("async-noisy"), 1_500, 1, 30),
}


def p95(agent: AgentClient) -> float:
    """The 95th percentile, in seconds, of a row of chats."""
    taken = []
    for _ in range(CHATS):
        started = time.perf_counter()
        with suppress(httpx.HTTPError):  # one that took too long counts with its time
            agent.chat("hi", new_session())
        taken.append(time.perf_counter() - started)
        if sum(taken) > 30:
            break
        time.sleep(PAUSE)
    return statistics.quantiles(taken, n=20)[-1] if len(taken) > 1 else taken[0]


@contextmanager
def fresh_stack() -> Iterator[Stack]:
    """A front and a worker on servers of their own."""
    with temporary_postgres({"fsync": "off"}) as postgres, temporary_valkey() as valkey:
        from pumice.cli.database import upgrade_schema  # noqa: PLC0415 (servers first)

        with database(postgres.url("postgres")) as name:
            upgrade_schema(postgres.url(name))
            environ = {
                "DATABASE_URL": postgres.url(name),
                "REDIS_URL": valkey.url(0),
                "WORKER_CONCURRENCY": "4",
                "AGENT_QUEUE_LIMIT": "1000000",
            }
            with running_stack(environ, AGENTS) as stack:
                yield stack


def main() -> None:
    """Print a row for each flood."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.neighbours", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], help="floods whose names hold one of these texts")
    only = parser.parse_args().only
    print(f"{'flood':36} {'idle p95':>9} {'p95':>9} {'ratio':>7}")
    for name, send in FLOODS.items():
        if only and not any(text in name for text in only):
            continue
        with fresh_stack() as stack:
            quiet = stack.agent("quiet")
            p95(quiet)
            idle = p95(quiet)
            sender = threading.Thread(target=send, args=[stack], daemon=True)
            sender.start()
            time.sleep(1)
            beside = p95(quiet)
            print(f"{name:36} {idle * 1000:6.0f} ms {beside * 1000:6.0f} ms {beside / idle:7.1f}", flush=True)
            sender.join(60)


if __name__ == "__main__":
    main()
