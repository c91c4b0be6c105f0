"""A front that is told to stop finishes what it has, closes its sockets for clients to come back, and ends soon."""

import signal
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest

from tests.support.client import new_session
from tests.support.gates import Gate

pytestmark = pytest.mark.faults


def test_a_stop_finishes_requests_and_closes_the_rest(stack, echo, tmp_path):
    gate, session = Gate(tmp_path), new_session()
    with stack.front() as front, ThreadPoolExecutor(1) as pool:
        client = stack.agent("echo", front.url)
        idle = stack.agent("echo", front.url)
        assert idle.reply("x") == "1: x"
        with client.socket(session) as socket:
            last = socket.next()["eventId"]
            waiting = pool.submit(client.reply, f"gate:{gate}")
            gate.reached()
            started = monotonic()
            front.send(signal.SIGTERM)
            assert socket.closed() == 1012
            gate.open()
            assert waiting.result().startswith("1: gate:")
        assert front.wait_ended() == 0
        assert monotonic() - started < 15
    echo.reply("missed", session)
    with echo.socket(session, lastEventId=last) as socket:
        assert socket.until("message")["message"]["content"] == "1: missed"


def test_a_worker_that_stops_leaves_its_turns_to_others(stack, echo, tmp_path):
    gates = [Gate(tmp_path, name) for name in "abcdef"]
    with stack.worker(SHUTDOWN_TIMEOUT="0.2") as worker:
        held = [echo.chat(f"gate:{gate}", headers={"Prefer": "respond-async"}).json() for gate in gates]
        for gate in gates:
            gate.reached()
        worker.send(signal.SIGTERM)
        assert worker.wait_ended() == 0
    for gate in gates:
        gate.open()
    done = [echo.finished(one["interactionId"]) for one in held]
    assert {(one["status"], one["result"]["message"]["content"][:2]) for one in done} == {("done", "1:")}
    assert {echo.state(one["sessionId"])["turns"] for one in held} == {1}
