"""`python -m tests.bench.points`: what snapshots, forks, replays and operations cost, on a front and a worker.

Snapshots and forks are timed on sessions of 10, 1,000 and 100,000 messages, in turn, so that a noisy machine is the
same to all of them. Replays and operations are told as a rate.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from pumice.cli.database import upgrade_schema
from pumice.sessions.connections import StoreConnection
from pumice.sessions.forks import NewFork, fork
from pumice.sessions.snapshots import NewSnapshot, take
from pumice.settings import Settings
from tests.bench.stack.servers import servers
from tests.support.client import AgentClient
from tests.support.stack import Stack, running_stack
from tests.support.waiting import wait_until

LENGTHS = (10, 1_000, 100_000)
ROUNDS = 200
REPLAYED, TURNS = 100, 20
FLEET = 5_000
AGENTS = "notebook=tests.support.agents_history:Notebook"
LENGTHEN = """
with said as (
  insert into messages (agent_id, session_id, seq, role, content, interaction_id)
  select m.agent_id, m.session_id, n, m.role, m.content, m.interaction_id
  from messages m, generate_series(2, %s - 1) n where m.session_id = %s and m.seq = 0
), ran as (
  insert into interactions (id, agent_id, session_id, kind, payload, status, result, attempts, finished_at, point,
    keyframe, delta, history_start, message_count, state_version)
  select gen_random_uuid(), i.agent_id, i.session_id, 'chat', i.payload, 'done', i.result, 1, now(), n, i.keyframe,
    i.delta, 0, 2 * n, i.state_version
  from interactions i, generate_series(2, %s / 2) n where i.session_id = %s and i.point = 1
)
update sessions set version = %s / 2, message_count = %s where id = %s
"""


def main() -> None:
    """Measure, and print a line for each figure."""
    with servers() as found:
        url = found.create_database("bench_points")
        upgrade_schema(url)
        environ = {"DATABASE_URL": url, "REDIS_URL": found.redis_database(3)}
        with running_stack(environ, AGENTS) as stack:
            client = stack.agent("notebook")
            held(stack, client, StoreConnection(Settings.from_env({"DATABASE_URL": url})))
            replays(client)
            operations(stack, client)


def held(stack: Stack, client: AgentClient, store: StoreConnection) -> None:
    """What a snapshot and a fork take, by the length of the history."""
    sessions = {length: f"long-{length}" for length in LENGTHS}
    for length, session in sessions.items():
        client.reply("set a 1", session)
        stack.query(LENGTHEN, length, session, length, session, length, length, session)
    stack.query("analyze")
    times: dict[tuple[str, int], list[float]] = {}
    for number in range(ROUNDS):
        for length, session in sessions.items():
            name = f"n{number}"
            snapshot = timed(lambda s=session, n=name: take(store, "notebook", s, NewSnapshot(n)))  # type: ignore[misc]
            forked = timed(
                lambda s=session, n=name: fork(store, "notebook", s, NewFork(f"{s}-{n}"))  # type: ignore[misc]
            )
            times.setdefault(("snapshot", length), []).append(snapshot)
            times.setdefault(("fork", length), []).append(forked)
    for (what, length), all_of_them in times.items():
        first = statistics.median(times[what, LENGTHS[0]])
        median = statistics.median(all_of_them)
        print(f"{what} of {length:,} messages: {1000 * median:.2f} ms, {median / first:.2f} of that of 10", flush=True)


def replays(client: AgentClient) -> None:
    """How many recorded turns a second are run again, compared with how many ran in the first place, one client."""
    started = time.monotonic()
    for number in range(REPLAYED):
        for turn in range(TURNS):
            client.reply(f"set k{turn} {number}", f"replayed-{number}")
    first = REPLAYED * TURNS / (time.monotonic() - started)
    seconds = followed(client, "replays", {"sessions": [f"replayed-{number}" for number in range(REPLAYED)]})
    rate = REPLAYED * TURNS / seconds
    print(
        f"replay: {rate:.0f} turns/s of {REPLAYED} sessions; they were made at {first:.0f}/s by one client", flush=True
    )


def operations(stack: Stack, client: AgentClient) -> None:
    """How many sessions a second an operation does."""
    mark = uuid4().hex
    stack.query(
        "insert into sessions (agent_id, id, metadata, state, state_version) select 'notebook', 'fleet-' || n, "
        "jsonb_build_object('mark', %s::text), '{\"notes\": {}}', 1 from generate_series(1, %s) n",
        mark,
        FLEET,
    )
    for body in ({"action": "snapshot", "name": "all"}, {"action": "fork"}, {"action": "delete"}):
        seconds = followed(client, "operations", {**body, "where": {"metadata.mark": mark}})
        print(f"operation {body['action']}: {FLEET / seconds:.0f} sessions/s", flush=True)
        stack.query("delete from sessions where id like 'fork-fleet-%%'")


def followed(client: AgentClient, what: str, body: dict[str, Any]) -> float:
    """Start something and wait for its end. Returns the seconds that took."""
    started = time.monotonic()
    answer = client.http.post(f"/v1/agents/notebook/{what}", headers=client.secret, json=body)
    answer.raise_for_status()
    location = answer.headers["location"]
    wait_until(lambda: client.http.get(location, headers=client.secret).json()["status"] == "done", 300, what)
    return time.monotonic() - started


def timed(act: Callable[[], Any]) -> float:
    """The seconds that something takes."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
