"""How long a client waits for a trivial reply: alone, under half the load, and in a session with a long past."""

import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing

from tests.bench.loader.caller import Caller
from tests.bench.loader.http import Load, Outcome
from tests.bench.loader.pool import background_load
from tests.bench.stage import Stage, Window
from tests.bench.workloads.hooks import CONNECTIONS, SESSIONS
from tests.bench.workloads.traffic import events

ROUNDS = 60
BATCH = 20
CHAT_SESSIONS = 5
PAUSE = 0.03
"""Seconds in which whoever was asked before can finish what it puts off until after its answer."""

CHATS = 300
LOAD_SECONDS = 120


def chat(*stages: Stage) -> None:
    """Round trips one after the other, of contenders that all run at once and of which only the asked one works.

    The machine's speed changes by a third within minutes, so they take turns in short batches, and every round goes
    through them the other way round.
    """
    with ExitStack() as stack:
        talks = [_Talk(stage, stack.enter_context(closing(Caller(stage.contender.address)))) for stage in stages]
        for talk in talks:
            talk.warm_up()
        for number in range(stages[0].count(ROUNDS)):
            for talk in talks if number % 2 else reversed(talks):
                time.sleep(PAUSE)
                talk.batch(number)
        for talk in talks:
            talk.record()


def loaded_chat(stage: Stage) -> None:
    """The same of one contender, while webhooks come at half the rate that it can process."""
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


class _Talk:
    """One contender's part of `chat`: numbered things said on one connection, and the replies to them."""

    def __init__(self, stage: Stage, caller: Caller) -> None:
        self.stage = stage
        self.caller = caller
        self.latencies: list[float] = []
        self.wrong = 0

    def warm_up(self) -> None:
        """Say a batch that is not measured, and write out what that and earlier work left."""
        for _ in range(BATCH):
            self.caller.ask(self.stage.contender.chat("warm", ["hello"]))
        if self.stage.stores:
            self.stage.truth.checkpoint()

    def batch(self, number: int) -> None:
        """Say one thing after the other to one session; a reply to something else is wrong."""
        said = [f"hello {number * BATCH + n}" for n in range(BATCH)]
        requests = [self.stage.contender.chat(f"c{number % CHAT_SESSIONS}", [text]) for text in said]
        with self.stage.measured("batches", at_once=True):
            answers = [self.caller.ask(request) for request in requests]
        self.latencies += [answer.seconds for answer in answers]
        for text, answer in zip(said, answers, strict=True):
            expected = f"You said {text}." if self.stage.stores else text
            self.wrong += answer.status != 200 or expected.encode() not in answer.body

    def record(self) -> None:
        """Keep what a chat took."""
        count = len(self.latencies)
        record_latencies(self.stage, "", self.latencies)
        self.stage.record("CPU ms each", self.stage.sample.usage["batches"].cost(count))
        if self.wrong:
            self.stage.problem(f"{self.wrong} of {count} replies do not answer what was said")
