"""`python -m tests.bench.ticks [sessions …]`: one tick of a job over many sessions, on a front and two workers.

For each number of sessions it prints how long the fan-out took to make all interactions and the workers to run them,
the largest memory of each process, what the broker held at most, and how long chats took during it and without it.
"""

import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
import redis

from pumice.cli.database import upgrade_schema
from tests.bench.stack.servers import servers
from tests.support.client import AgentClient
from tests.support.stack import Process, Stack, running_stack

SIZES = (10_000, 100_000, 1_000_000)
WORKERS = 2
CHATS = 200
AGENTS = "bench=tests.bench.agents:Bench"
FILL = """
insert into sessions (agent_id, id, state, state_version, used)
select 'bench', 's' || lpad(n::text, 8, '0'), '{"count": 0, "ticks": 0, "pad": ""}', 1, true
from generate_series(1, %s) n
"""
TICK = "insert into ticks (agent_id, job, scheduled_for) values ('bench', 'tick', date_trunc('second', now()))"
LEFT = "select inserted_at is not null as inserted, done_at is not null as done from ticks"
WRONG = """
select count(*) as count from sessions
where agent_id = 'bench' and id like 's0%%' and (state ->> 'ticks')::int is distinct from 1
"""


@dataclass
class Peaks:
    """The largest memory of each process, in MB, and the most that the broker's queue for jobs held, in messages."""

    memory: dict[str, float] = field(default_factory=dict)
    queued: int = 0
    chats: list[float] = field(default_factory=list)


def main(sizes: list[int]) -> None:
    """Measure, and print a row for each number of sessions."""
    titles = ("sessions", "inserted in s", "rows/s", "all run in s", "turns/s", "chat p50 alone / during, ms")
    print(f"| {' | '.join(titles)} | queue, most | peak MB |")
    for size in sizes or SIZES:
        with servers() as found:
            url = found.create_database("bench_ticks")
            upgrade_schema(url)
            environ = {"DATABASE_URL": url, "REDIS_URL": found.redis_database(3), "LOG_LEVEL": "warning"}
            with running_stack({**environ, "SECRET_KEY": "x" * 40}, AGENTS) as stack, stack.worker() as second:
                measure(stack, second, size, found.redis_database(3))


def measure(stack: Stack, second: Process, size: int, broker: str) -> None:
    """One tick."""
    stack.query(FILL, size)
    stack.query("vacuum analyze sessions")
    stack.query("checkpoint")
    client = stack.agent("bench")
    chat(client, 20)
    alone = statistics.median(chat(client, CHATS))
    processes = {**{name: process.pid for name, process in stack.shared.items()}, "worker 2": second.pid}
    with watched(processes, broker, client) as peaks:
        started = time.monotonic()
        stack.query(TICK)
        inserted = waited(stack, "inserted") - started
        done = waited(stack, "done") - started
    memory = ", ".join(f"{name} {peak:.0f}" for name, peak in peaks.memory.items())
    print(
        f"| {size:,} | {inserted:.1f} | {size / inserted:,.0f} | {done:.1f} | {size / done:,.0f} |"
        f" {1000 * alone:.1f} / {1000 * statistics.median(peaks.chats):.1f} | {peaks.queued} | {memory} |",
        flush=True,
    )
    if wrong := stack.query(WRONG)[0]["count"]:
        print(f"{wrong} sessions did not run exactly once", flush=True)


def waited(stack: Stack, what: str) -> float:
    """Wait until the tick is inserted or done. Returns that moment on the monotonic clock."""
    while not stack.query(LEFT)[0][what]:
        time.sleep(0.1)
    return time.monotonic()


def chat(client: AgentClient, count: int) -> list[float]:
    """The seconds that chats take, one after the other."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        client.reply("hello", "chat")
        times.append(time.perf_counter() - began)
    return times


@contextmanager
def watched(processes: dict[str, int], broker: str, client: AgentClient) -> Iterator[Peaks]:
    """Watch processes and the broker, and chat, during the block."""
    peaks, over = Peaks(), threading.Event()
    queue = redis.Redis.from_url(broker)

    def watch() -> None:
        while not over.wait(0.25):
            for name, pid in processes.items():
                family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
                size = sum(one.memory_info().rss for one in family) / 1e6
                peaks.memory[name] = max(peaks.memory.get(name, 0.0), size)
            peaks.queued = max(peaks.queued, int(queue.llen("jobs")))

    def talk() -> None:
        while not over.wait(0.02):
            peaks.chats += chat(client, 1)

    threads = [threading.Thread(target=watch), threading.Thread(target=talk)]
    for thread in threads:
        thread.start()
    try:
        yield peaks
    finally:
        over.set()
        for thread in threads:
            thread.join()


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]])
