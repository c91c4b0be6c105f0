"""A Redis that takes connections and does not answer (a stopped process): nothing waits for it."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from pumice.web.http.event_log import PATIENCE
from tests.support.client import new_session
from tests.support.control import seconds
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def echo(outage):
    return outage.stack.agent("echo")


@contextmanager
def stopped(outage) -> Iterator[None]:
    """Redis, stopped meanwhile."""
    port = outage.redis.server.port
    found = [one.pid for one in psutil.net_connections("tcp") if one.status == "LISTEN" and one.laddr[1:] == (port,)]
    process = psutil.Process(found[0])
    process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def opened(client, session):
    """The first frames of a streamed chat."""
    with client.stream("x", session) as events:
        return [next(events).type, next(events).type]


def test_no_stream_waits_for_it(outage, echo):
    session = new_session()
    with echo.socket(session) as early:
        early.next()
        with stopped(outage):
            opened(echo, session)
            for _ in range(3):
                taken, types = seconds(lambda: opened(echo, session))
                assert types == ["session", "accepted"]
                assert taken < PATIENCE, "what Redis may take is not waited for once it is known to be away"
            taken, socket = seconds(lambda: echo.socket(session))
            with socket:
                assert socket.next()["type"] == "session"
            ready = echo.http.get("/readyz")
            assert (ready.status_code, ready.json()["redis"]) == (200, "away")
        wait_until(lambda: echo.http.get("/readyz").json()["redis"] == "live", 20, "the front's subscription")
        early.send("again")
        assert early.until("done")["status"] == "done"
