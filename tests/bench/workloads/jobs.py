"""A job that is due: from its time to the commit of the last session's turn."""

import time

from tests.bench.stage import Stage

SESSIONS = 20_000
PATIENCE = 240.0


def fanout(stage: Stage) -> None:
    """Every session has exactly one tick counted in its state at the end."""
    count = stage.count(SESSIONS)
    stage.load([stage.contender.hook({"session": "s0", "n": 0})], 1)
    stage.settle(1)
    stage.truth.copy_sessions("s0", count - 1)
    due = stage.contender.make_job_due()
    with stage.measured("fan-out") as window:
        finished = _wait_for_ticks(stage, count, due)
    stage.contender.stop("beat")
    stage.record("seconds", finished - due)
    stage.record("sessions/s", count / (finished - due))
    stage.record("CPU ms each", window.cost(count))
    ticked = stage.truth.ticks()
    if ticked != {1: count}:
        stage.problem(f"{count} sessions should have one tick each, but (ticks: sessions) is {ticked}")


def _wait_for_ticks(stage: Stage, count: int, due: float) -> float:
    """Return the moment at which no session lacks its tick."""
    while (now := time.monotonic()) < due + PATIENCE:
        missing = stage.truth.ticks().get(0, 0)
        if not missing:
            break
        speed = max(1.0, (count - missing) / max(now - due, 0.001))
        time.sleep(min(1.0, max(0.02, missing / speed / 4)))
    return time.monotonic()
