"""Cheap load: what one client may cost the others of a front, in time and in memory."""

import threading
import time
from contextlib import ExitStack

import pytest

from tests.attacks.watch import memory
from tests.support.raw import answered, connected, exchange, head, problem_of
from tests.support.waiting import wait_until

HOOK = "/v1/agents/receiver/hooks/inspect"
FORM = {"content-type": "application/x-www-form-urlencoded"}
SIZE = 9_000_000


def test_a_body_that_does_not_come_is_refused_in_time(stack):
    with stack.front(BODY_TIMEOUT="0.5") as front, connected(front.url) as connection:
        connection.sendall(head("POST", HOOK, content_length=1_000) + b"x")
        assert problem_of(answered(connection))[:2] == (408, "request-timeout")


def test_a_body_that_trickles_is_refused_in_time(stack):
    with stack.front(BODY_TIMEOUT="1") as front, connected(front.url) as connection:
        connection.sendall(head("POST", HOOK, content_length=100_000))
        over = threading.Event()

        def trickle() -> None:
            while not over.wait(0.01):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

        sender = threading.Thread(target=trickle)
        sender.start()
        try:
            assert connection.recv(100).startswith(b"HTTP/1.1 408 ")
        finally:
            over.set()
            sender.join()


def test_unfinished_bodies_hold_a_bounded_amount_of_memory(stack):
    with stack.front(BODY_BUDGET="40000000") as front, ExitStack() as opened:
        before = memory(front.pid)
        senders = [opened.enter_context(connected(front.url)) for _ in range(50)]
        for connection in senders:
            connection.settimeout(10)
            connection.sendall(head("POST", HOOK, content_length=10_000_000))

        def send(connection) -> None:
            try:
                connection.sendall(b"x" * SIZE)
            except OSError:
                return

        threads = [threading.Thread(target=send, args=(connection,)) for connection in senders]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert exchange(front.url, head("GET", "/healthz")).startswith(b"HTTP/1.1 200")
        assert memory(front.pid) - before < 120_000_000, "the budget, twice while buffers grow, and what is on its way"
        for connection in senders:
            connection.close()
        client = stack.agent("receiver", front.url)
        wait_until(lambda: client.hook("inspect", content=b"x" * SIZE).status_code == 200, 20, "room in the budget")


def test_an_address_gets_half_of_the_budget_and_is_told_when_to_come_again(stack):
    with stack.front(BODY_BUDGET="4000000") as front:
        answer = exchange(front.url, head("POST", HOOK, content_length=3_000_000) + b"x" * 3_000_000)
        status, slug, headers = problem_of(answer)
        assert (status, slug) == (429, "too-many-requests")
        assert int(headers["retry-after"]) >= 1
        assert stack.agent("receiver", front.url).hook("inspect", content=b"x" * 1_900_000).status_code == 200


LARGE = {
    "lists": b"[" + b"[]," * (SIZE // 3) + b"[]]",
    "objects": b"[" + b"{}," * (SIZE // 3) + b"{}]",
    "numbers": b"[" + b"0," * (SIZE // 2) + b"0]",
    "texts": b"[" + b'"",' * (SIZE // 3) + b'""]',
}


@pytest.mark.parametrize("body", LARGE.values(), ids=LARGE.keys())
def test_json_of_too_many_values_is_refused(receiver, body):
    answer = receiver.hook("inspect", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:pumice:problem:too-large")


def test_a_long_text_full_of_commas_is_not_too_many_values(echo):
    assert echo.chat('a, [b], {c}: "d\\", ' * 200_000).status_code == 200


def test_others_are_answered_while_large_bodies_come(receiver, echo):
    echo.reply("warm")
    over = threading.Event()

    def flood() -> None:
        client = receiver.http
        while not over.is_set():
            client.post(HOOK, content=LARGE["lists"], headers={"content-type": "application/json"})
            client.post(HOOK, content=b"a=" + b"%41" * 1_000_000, headers=FORM)

    sender = threading.Thread(target=flood)
    sender.start()
    try:
        taken = sorted(_seconds(echo) for _ in range(40))
    finally:
        over.set()
        sender.join()
    assert taken[-2] < 1.5, taken


def _seconds(client) -> float:
    since = time.monotonic()
    client.reply("hello")
    return time.monotonic() - since
