"""Several of each process: two front processes on one port, two workers, two beats."""

from contextlib import ExitStack

import psutil
import pytest

from tests.deploy.journey import ticks, try_everything
from tests.support.waiting import wait_until

pytestmark = pytest.mark.faults

pytestmark = pytest.mark.deploy


def test_sockets_on_every_front_process_see_the_same_and_ticks_come_once(deploy):
    with deploy(beats=2, WEB_CONCURRENCY="2") as stack, stack.worker():
        desk = stack.agent("desk")
        try_everything(desk)
        fronts = psutil.Process(stack.shared["front"].pid).children()
        assert len(fronts) == 2
        with ExitStack() as opened:
            sockets = [opened.enter_context(desk.socket("shared")) for _ in range(16)]
            for socket in sockets:
                socket.until("session")
            holding = [front for front in fronts if _holds_sockets(front)]
            assert holding == fronts
            sockets[0].send("seen by all")
            assert {one.until("message")["message"]["content"] for one in sockets} == {"seen by all, 1 notes"}
        wait_until(lambda: len(ticks(desk, "shared")) >= 3, 40, "ticks")
        seen = ticks(desk, "shared")
        assert sorted(set(seen)) == seen
        logs = [stack.shared[f"beat{place}"].output for place in range(2)]
        for tick in seen:
            assert sum(log.count(f"scheduled_for={tick.replace(' ', 'T')}") for log in logs) == 1


def _holds_sockets(front: psutil.Process) -> bool:
    return sum(one.status == psutil.CONN_ESTABLISHED for one in front.net_connections("tcp")) > 4
