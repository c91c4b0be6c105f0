"""How long a client waits for a trivial reply: alone, under half the load, and in a session with a long past."""

import statistics
from collections.abc import Sequence

from tests.bench.loader.http import Load, Outcome
from tests.bench.loader.pool import background_load
from tests.bench.stage import Stage, Window
from tests.bench.workloads.hooks import CONNECTIONS, SESSIONS
from tests.bench.workloads.traffic import events

CHATS = 300
LOAD_SECONDS = 120


def chat(stage: Stage) -> None:
    """Round trips one after the other, each on the same connection and session."""
    with stage.measured("idle") as window:
        outcome = round_trips(window, "c", stage.count(CHATS))
    record_latencies(stage, "", outcome.latencies)


def loaded_chat(stage: Stage) -> None:
    """The same while webhooks come at half the rate that this contender can process."""
    count = stage.count(6_000, paced=True)
    burst = stage.load(events(stage.contender, count, SESSIONS), CONNECTIONS)
    rate = 0.5 * count / (stage.settle(count) - burst.started)
    stage.record("load/s", rate)
    requests = events(stage.contender, round(rate * LOAD_SECONDS), SESSIONS)
    disturbance = Load(stage.contender.address, requests, CONNECTIONS, rate)
    with stage.measured("loaded") as window, background_load(disturbance):
        outcome = round_trips(window, "c", stage.count(CHATS))
    record_latencies(stage, "", outcome.latencies)


def long_session(stage: Stage) -> None:
    """A session that already holds 10,000 messages beside an empty one."""
    past = [f"message {n} of a long conversation" for n in range(stage.count(10_000))]
    stage.load([stage.contender.chat("long", past[n : n + 1000]) for n in range(0, len(past), 1000)], 1)
    count = stage.count(CHATS)
    with stage.measured("empty") as window:
        empty = round_trips(window, "empty", count)
    with stage.measured("long") as window:
        long = round_trips(window, "long", count)
    record_latencies(stage, "empty ", empty.latencies)
    record_latencies(stage, "long ", long.latencies)
    stage.record("long/empty p50", statistics.median(long.latencies) / statistics.median(empty.latencies))
    stored = stage.tables.value("select count(*) from messages where session_id = 'long' and role = 'user'")
    if stored != len(past) + count:
        stage.problem(f"{len(past) + count} messages said to the long session, {stored} stored")


def round_trips(window: Window, session: str, count: int) -> Outcome:
    """Say one numbered thing after the other; a reply to something else is a problem."""
    stage, said = window.stage, [f"hello {n}" for n in range(count)]
    outcome = window.load([stage.contender.chat(session, [text]) for text in said], 1, keep_bodies=True)
    if stage.stores:
        wrong = sum(f"You said {text}.".encode() not in body for text, body in zip(said, outcome.bodies, strict=True))
        if wrong:
            stage.problem(f"{wrong} of {count} replies do not answer what was said")
    return outcome


def record_latencies(stage: Stage, prefix: str, latencies: Sequence[float]) -> None:
    """Keep p50 and p99 in milliseconds."""
    ordered = sorted(latencies)
    stage.record(f"{prefix}p50 ms", 1000 * statistics.median(ordered))
    stage.record(f"{prefix}p99 ms", 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))])
