"""Group flush: what gathers while the last flush is under way goes into the next one, together."""

import threading
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from pumice.messaging.group_flush import GroupFlush
from tests.support.waiting import wait_until


class Recorder:
    """Notes each flush; the first waits until `go` is set."""

    def __init__(self, *, held: bool = True) -> None:
        self.flushes: list[list[int]] = []
        self.entered = threading.Event()
        self.go = threading.Event()
        if not held:
            self.go.set()

    def __call__(self, items: list[int]) -> None:
        self.flushes.append(items)
        self.entered.set()
        assert self.go.wait(10)


def stopped(batching: GroupFlush[int]) -> None:
    batching.stop()
    assert batching.wait_idle(0)


def test_an_idle_flusher_starts_at_once():
    recorder = Recorder(held=False)
    batching = GroupFlush("test", recorder)
    batching.add(1)
    assert batching.wait_idle(5)
    assert recorder.flushes == [[1]]
    stopped(batching)


def test_what_gathers_meanwhile_goes_together():
    recorder = Recorder()
    batching = GroupFlush("test", recorder)
    batching.add(1)
    assert recorder.entered.wait(5)
    for item in range(2, 6):
        batching.add(item)
    assert len(batching) == 4
    recorder.go.set()
    stopped(batching)
    assert recorder.flushes == [[1], [2, 3, 4, 5]]


def test_a_flush_has_its_limit():
    recorder = Recorder()
    batching = GroupFlush("test", recorder, 3)
    batching.add(0)
    assert recorder.entered.wait(5)
    batching.add(*range(1, 8))
    recorder.go.set()
    stopped(batching)
    assert recorder.flushes == [[0], [1, 2, 3], [4, 5, 6], [7]]


def test_what_is_not_urgent_waits_for_company():
    recorder = Recorder(held=False)
    batching = GroupFlush("test", recorder, 3, linger=60)
    batching.add(1, urgent=False)
    batching.add(2, urgent=False)
    assert not recorder.entered.wait(0.05)
    batching.add(3, urgent=False)
    assert batching.wait_idle(5)
    batching.add(4, urgent=False)
    batching.add(5)
    assert batching.wait_idle(5)
    assert recorder.flushes == [[1, 2, 3], [4, 5]]
    stopped(batching)


def test_what_is_not_urgent_waits_only_so_long():
    recorder = Recorder(held=False)
    batching = GroupFlush("test", recorder, linger=0.02)
    batching.add(1, urgent=False)
    wait_until(lambda: recorder.flushes == [[1]])
    stopped(batching)


def test_a_stop_flushes_what_is_left():
    recorder = Recorder(held=False)
    batching = GroupFlush("test", recorder, linger=60)
    batching.add(1, 2, urgent=False)
    stopped(batching)
    assert recorder.flushes == [[1, 2]]


def test_a_stop_without_work_ends_at_once():
    batching = GroupFlush("test", Recorder())
    stopped(batching)


def test_a_flush_that_raises_does_not_end_the_flusher():
    seen = []

    def flush(items: list[int]) -> None:
        seen.append(items)
        if items == [1]:
            raise RuntimeError("once")

    batching = GroupFlush("test", flush)
    batching.add(1)
    wait_until(lambda: seen == [[1]])
    batching.add(2)
    stopped(batching)
    assert seen == [[1], [2]]


@settings(deadline=None, max_examples=50)
@given(groups=st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=20), limit=st.integers(1, 7))
def test_nothing_is_lost_doubled_or_reordered(groups, limit):
    recorder, expected = Recorder(held=False), 0
    batching = GroupFlush("test", recorder, limit, linger=0.001)
    for size, urgent in groups:
        batching.add(*range(expected, expected + size), urgent=urgent)
        expected += size
    stopped(batching)
    assert [item for items in recorder.flushes for item in items] == list(range(expected))
    assert all(1 <= len(items) <= limit for items in recorder.flushes)


def test_threads_add_side_by_side():
    recorder = Recorder(held=False)
    batching = GroupFlush("test", recorder, 10)

    def add(n: int) -> None:
        for item in range(n * 100, n * 100 + 100):
            batching.add(item)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    stopped(batching)
    seen = [item for items in recorder.flushes for item in items]
    assert sorted(seen) == list(range(400))
    for n in range(4):
        assert [item for item in seen if item // 100 == n] == list(range(n * 100, n * 100 + 100))
