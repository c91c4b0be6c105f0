"""Telling a blocked event loop from a process that stood still."""

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pumice_workers.event_loop import EventLoop
from pumice_workers.loop_watch import LoopWatch


@pytest.fixture
def blocked() -> Iterator[EventLoop]:
    """A loop in which a handler does not await, until the test ends."""
    loop, entered, over = EventLoop(1), threading.Event(), threading.Event()

    async def block() -> None:
        entered.set()
        over.wait()

    loop.spawn(block())
    entered.wait(10)
    yield loop
    over.set()


@pytest.fixture
def looks(blocked: EventLoop) -> Any:
    """Look at that loop at a time. Returns the names of what was counted so far."""
    runs = SimpleNamespace(agents_on_loop={"agent"}, on_loop=[])
    runner = SimpleNamespace(runs=runs, scheduler=None, hand_back=list)
    watch = LoopWatch(blocked, cast("Any", runner), cast("Any", None), lease_seconds=10)
    counted: list[str] = []

    def look(*times: float) -> list[str]:
        for now in times:
            watch.look(now, counted.append, lambda _: counted.append("anew"))
        return counted

    return look


def test_a_loop_that_gives_no_sign_is_blocked(looks):
    assert looks(100.0, 100.5, 101.0) == ["loop_blocked"]


def test_a_process_that_stood_still_blames_nobody(looks):
    assert looks(100.0, 100.2, 500.0, 500.2) == []
    assert looks(500.5) == ["loop_blocked"]


def test_a_watcher_that_is_often_late_still_sees_it(looks):
    assert looks(*[100.0 + 1.5 * number for number in range(12)]) == ["loop_blocked"]
    assert "anew" in looks(*[118.0 + number for number in range(8)])
