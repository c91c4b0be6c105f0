"""Repeated requests are recognised: the first answer is given again and nothing runs."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from pumice.agents.deliveries import DELIVERY_HEADERS
from tests.support.client import new_session
from tests.support.gates import Gate


def delivered(receiver, session, name, value, **options):
    headers = {name: value}
    answer = receiver.hook("inspect", params={"session": session}, headers=headers, **options)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-interaction-id"], answer.json()["sha256"]


@pytest.mark.parametrize("header", DELIVERY_HEADERS)
def test_a_repeated_delivery_gets_the_first_answer(receiver, header):
    session, delivery = new_session(), new_session()
    first = delivered(receiver, session, header, delivery, content=b"first")
    assert delivered(receiver, session, header, delivery, content=b"second") == first
    assert delivered(receiver, session, header, delivery + "x", content=b"second") != first
    assert len(receiver.interactions(session)) == 2


def test_a_repeat_while_the_first_one_runs_waits_for_it(receiver, tmp_path):
    gate, session = Gate(tmp_path), new_session()
    request = {"params": {"session": session}, "headers": {"Idempotency-Key": session}, "content": str(gate)}
    with ThreadPoolExecutor(6) as pool:
        answers = [pool.submit(receiver.hook, "gate", **request) for _ in range(6)]
        gate.open()
        results = [answer.result() for answer in answers]
    assert [answer.json() for answer in results] == [{"calls": 1}] * 6
    assert len({answer.headers["x-interaction-id"] for answer in results}) == 1


def test_a_repeat_of_a_failed_one_runs_it_again(receiver):
    session = new_session()
    request = {"params": {"session": session, "how": "raise"}, "headers": {"Idempotency-Key": session}}
    first, again = (receiver.hook("fail", **request) for _ in range(2))
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert first.status_code == 500
    [row] = receiver.interactions(session)
    assert (row["attempts"], [error["attempt"] for error in row["errors"]]) == (2, [1, 2])


def test_a_repeat_of_an_accepted_one_names_the_first(receiver):
    session = new_session()
    request = {"params": {"session": session}, "headers": {"Idempotency-Key": session}}
    first, again = (receiver.hook("later", **request) for _ in range(2))
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    receiver.finished(first.json()["interactionId"])
    assert receiver.state(session)["calls"] == 1


def test_an_author_may_say_what_a_delivery_is(receiver):
    session = new_session()
    events = [{"event": {"id": session}}, {"event": {"id": session}, "more": 1}, {"event": {"id": session + "2"}}, {}]
    calls = [receiver.hook("own-dedupe", params={"session": session}, json=event).json()["calls"] for event in events]
    assert calls == [1, 1, 2, 3]


def test_a_dedupe_selector_that_fails_is_named(receiver):
    answer = receiver.hook("own-dedupe", params={"session": new_session()}, content=b"no json")
    assert answer.status_code == 400
    assert "body('event.id')" in answer.json()["detail"]


def test_the_same_delivery_to_another_hook_is_another(receiver):
    session = new_session()
    headers = {"Idempotency-Key": session}
    first = receiver.hook("inspect", params={"session": session}, headers=headers)
    other = receiver.hook("later", params={"session": session}, headers=headers)
    assert first.headers["x-interaction-id"] != other.json()["interactionId"]


def test_a_repeated_chat_gets_the_first_reply(echo):
    session = new_session()
    headers = {"Idempotency-Key": session}
    first = echo.chat("hello", session, headers=headers).json()
    assert echo.chat("hello", session, headers=headers).json() == first
    assert echo.chat("hello", new_session(), headers=headers).json() != first
    assert echo.state(session)["turns"] == 1


def test_many_at_once_run_one(echo):
    session = new_session()
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: echo.chat("x", headers={"Idempotency-Key": session}).json(), range(12)))
    assert len({answer["interactionId"] for answer in answers}) == 1
    assert len({answer["message"]["content"] for answer in answers}) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_a_key_that_can_be_none_is_refused(echo, key):
    answer = echo.chat("x", headers={"Idempotency-Key": key})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_the_same_key_of_another_agent_is_another(stack, echo):
    key = {"Idempotency-Key": new_session()}
    first = echo.chat("x", headers=key).json()
    other = stack.agent("other").chat("x", headers=key).json()
    assert first["interactionId"] != other["interactionId"]
