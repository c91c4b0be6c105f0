"""A job that is due: from the moment at which it is due, or asked for, to the commit of the last session's turn."""

from tests.bench.stage import Stage

SESSIONS = 20_000


def fanout(stage: Stage) -> None:
    """Every session has exactly one tick counted in its state at the end."""
    count = stage.count(SESSIONS)
    stage.load([stage.contender.hook({"session": "s0", "n": 0})], 1)
    stage.settle(1)
    stage.truth.copy_sessions("s0", count - 1)
    stage.truth.vacuum()
    stage.truth.checkpoint()
    due = stage.contender.make_job_due(count)
    with stage.measured("fan-out", at_once=True) as window:
        finished = stage.wait_until_none(lambda: stage.truth.ticks().get(0, 0), count)
    stage.contender.stop("beat")
    stage.record("seconds", finished - due)
    stage.record("sessions/s", count / (finished - due))
    stage.record("CPU ms each", window.cost(count))
    ticked = stage.truth.ticks()
    if ticked != {1: count}:
        stage.problem(f"{count} sessions should have one tick each, but (ticks: sessions) is {ticked}")
