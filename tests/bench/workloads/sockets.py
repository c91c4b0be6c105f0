"""Sockets on one front: what an idle one weighs, a message to each and back, and one message to all."""

import time

import psutil

from tests.bench.loader.sockets import Crowd, frame
from tests.bench.stage import Stage

IDLE = 5_000
AUDIENCE = 1_000


def sockets(stage: Stage) -> None:
    """As many sessions as sockets."""
    contender, count = stage.contender, stage.count(IDLE)
    before = front_memory(stage)
    with Crowd(contender.address) as crowd:
        started = time.monotonic()
        crowd.open([contender.socket(f"s{n}") for n in range(count)], contender.first_frame)
        stage.record("opened/s", count / (time.monotonic() - started))
        stage.record("kB each", (front_memory(stage) - before) / 1000 / count)
        question = frame(contender.said("hello"))
        crowd.forget()
        with stage.measured("a message to each and back"):
            started = time.monotonic()
            crowd.send([question] * count)
            answered = crowd.wait("message", 60)
            seconds = time.monotonic() - started
    stage.record("each and back s", seconds)
    if answered != count or crowd.closed:
        stage.problem(f"{answered} of {count} sockets got their reply, {crowd.closed} were closed")


def audience(stage: Stage) -> None:
    """As many sockets on one session: one of them speaks, all hear the reply."""
    contender, count = stage.contender, stage.count(AUDIENCE)
    with Crowd(contender.address) as crowd:
        crowd.open([contender.socket("stage")] * count, contender.first_frame)
        crowd.forget()
        with stage.measured("one message to all"):
            started = time.monotonic()
            crowd.send([frame(contender.said("hello"))])
            heard = crowd.wait("message", 60)
            stage.record("one to all s", time.monotonic() - started)
    if heard != count or crowd.closed:
        stage.problem(f"{heard} of {count} sockets heard the reply, {crowd.closed} were closed")


def front_memory(stage: Stage) -> int:
    """Return the resident bytes of the processes that serve, without their idle parent."""
    return sum(
        child.memory_info().rss
        for process in stage.contender.running["front"]
        for child in psutil.Process(process.pid).children(recursive=True)
    )
