"""Webhooks: accepted durably by the front alone, in a burst over many sessions, and all on one session."""

import time

from tests.bench.stage import Stage
from tests.bench.workloads.traffic import events

CONNECTIONS = 64
SESSIONS = 1_000
BURST = 20_000


def accept(stage: Stage) -> None:
    """No worker runs: what one front acknowledges in a second, each event committed before its answer."""
    count = stage.count(20_000, paced=True)
    requests = events(stage.contender, count, SESSIONS)
    with stage.measured("accept") as window:
        outcome = window.load(requests, CONNECTIONS)
    stage.record("accepted/s", outcome.succeeded / outcome.seconds)
    stage.record("CPU ms each", window.cost(count))
    if stage.stores and (stored := stage.tables.queued()) != outcome.succeeded:
        stage.problem(f"{outcome.succeeded} acknowledged, {stored} stored")


def burst(stage: Stage) -> None:
    """Front and workers together: from the first post to the commit of the last turn."""
    count = stage.count(BURST)
    requests = events(stage.contender, count, SESSIONS)
    with stage.measured("burst") as window:
        outcome = window.load(requests, CONNECTIONS)
        settled = stage.settle(count)
    stage.record("accepted/s", outcome.succeeded / outcome.seconds)
    stage.record("processed/s", count / (settled - outcome.started))
    stage.record("CPU ms each", window.cost(count))
    record_order(stage)
    stage.check_events(outcome.succeeded)


def hotkey(stage: Stage) -> None:
    """One session: the events pile up first, then the workers' rate on them is what counts."""
    count = stage.count(20_000, paced=True)
    stage.pause_workers()
    outcome = stage.load(events(stage.contender, count, 1), CONNECTIONS)
    with stage.measured("drain") as window:
        started = time.monotonic()
        stage.resume_workers()
        settled = stage.settle(count)
    stage.record("turns/s", count / (settled - started))
    stage.record("CPU ms each", window.cost(count))
    record_order(stage)
    stage.check_events(outcome.succeeded)


def record_order(stage: Stage) -> None:
    """Keep the share of turns that were overtaken, where the store tells it."""
    if (share := stage.truth.out_of_order()) is not None:
        stage.record("out of order %", 100 * share)
