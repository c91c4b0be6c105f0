"""Fronts that are killed or stopped, and two that get the same request."""

import signal
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.support.faults_workload import ROUTES, Sender, check_single, working
from tests.support.waiting import wait_until


@pytest.mark.parametrize("route", ["post", pytest.param("chat", marks=pytest.mark.faults)])
def test_killed_between_accept_and_wake(stack, route):
    session = f"unwoken-{route}"
    stack.broker_proxy.stall()
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(Sender(stack).send, route, session, 1, f"{session}-ledger")
        wait_until(lambda: stack.has("select from interactions where session_id = %s and status = 'queued'", session))
        stack.processes.kill("web")
        stack.broker_proxy.cut()
        stack.broker_proxy.resume()
        assert answer.result()
    check_single(stack, session, route)


def _was_replaced(stack, front: str, pid: int) -> bool:
    return bool(stack.processes.pid(front) != pid)


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.faults)])
def test_ended_under_load(stack, number):
    with working(stack) as workload:
        for front in ("web", "web2"):
            before = stack.processes.pid(front)
            stack.processes.send(front, number)
            wait_until(partial(_was_replaced, stack, front, before), 40, f"the end of {front}")
            stack.wait_ready(front)
            workload.wait_recovered()
            workload.wait_more()
        workload.finish()


def test_the_same_request_at_the_same_moment_runs_once(stack):
    senders = [Sender(stack, front) for front in (0, 1)]
    with ThreadPoolExecutor(2) as pool:
        for number in range(1, 21):
            route = ROUTES[number % len(ROUTES)]
            answers = pool.map(lambda sender, r=route, n=number: sender.send(r, "twin", n, "twin-ledger"), senders)
            first, second = answers
            assert first == second
    check_single(stack, "twin", *(ROUTES[number % len(ROUTES)] for number in range(1, 21)))
