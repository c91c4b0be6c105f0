"""Heroku's facts, together: its addresses, PORT, and SIGTERM to every process of every dyno at once."""

import os
import signal
import time

import psutil
import pytest

from tests.deploy import servers
from tests.deploy.conftest import migrated
from tests.deploy.daemons import running
from tests.deploy.journey import try_everything
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(300)]
LIMIT = 30.0
"""Seconds between Heroku's SIGTERM and its SIGKILL."""


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_restart_of_all_dynos(deploy, open_folder, gates, pool):
    """All processes end in time while a turn and a socket are under way, and the turn is done after the restart."""
    (postgres, administrator), (redis, redis_url) = servers.postgres(open_folder), servers.redis_with_tls(open_folder)
    with running(postgres), running(redis), migrated(administrator) as database_url:
        settings = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "WEB_CONCURRENCY": "2"}
        with deploy(**settings, WORKER_POOL=pool, WORKER_CONCURRENCY="2", SHUTDOWN_TIMEOUT="20") as stack:
            desk = stack.agent("desk")
            try_everything(desk)
            desk.hook("later", json={"session": "under-way", "note": "once", "gate": "under-way"})
            wait_until(lambda: gates.attempts("under-way"), 20, "the handler")
            with desk.socket("watching") as socket:
                socket.until("session")
                _signal_everything(stack, LIMIT)
                assert socket.closed() == 1012
            with stack.front() as front, stack.worker():
                gates.open("under-way")
                again = stack.agent("desk", front.url)
                wait_until(lambda: again.state("under-way")["notes"] == ["once"], 30, "the note")


def _signal_everything(stack, limit):
    """SIGTERM to each process and its children, as Heroku sends it; they end within `limit` seconds."""
    roots = [psutil.Process(process.pid) for process in stack.shared.values()]
    everything = [one for root in roots for one in (root, *root.children(recursive=True))]
    begun = time.monotonic()
    for one in everything:
        os.kill(one.pid, signal.SIGTERM)
    for process in stack.shared.values():
        process.wait_ended(limit)
    assert time.monotonic() - begun < limit
