"""Repeats of chats and deliveries on real processes: their own session's answer; another attempt after a failure."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.client import AgentClient, chat_body, new_session
from tests.support.control import ASYNC, accept, cancel, started
from tests.support.gates import Gate
from tests.support.stack import Process, Stack
from tests.support.waiting import wait_until


@pytest.fixture
def flaky(control: Stack) -> AgentClient:
    return control.agent("flaky")


@pytest.fixture
def plain(control: Stack) -> AgentClient:
    return control.agent("plain")


@pytest.fixture(scope="module")
def second(control: Stack) -> Iterator[Process]:
    """Another front; temporary sessions that it makes are short."""
    with control.front(TEMPORARY_TTL="0.2") as front:
        yield front


def deliver(agent: AgentClient, session: str, delivery: str, name: str = "plain", **query: object):
    headers = {"X-GitHub-Delivery": delivery}
    return agent.hook(name, params={"session": session, **query}, headers=headers)


def test_a_delivery_that_failed_runs_again_when_it_is_repeated(flaky):
    session = new_session()
    first = deliver(flaky, session, "d", times=1)
    again = [deliver(flaky, session, "d", times=1) for _ in range(2)]
    assert first.status_code == 500
    assert [(one.status_code, one.json()) for one in again] == [(200, {"attempt": 2})] * 2
    [row] = flaky.interactions(session)
    assert (row["interactionId"], row["status"], row["attempts"]) == (first.json()["interactionId"], "done", 2)
    assert [error["attempt"] for error in row["errors"]] == [1]
    assert flaky.state(session) == {"seen": ["plain--2"]}


def test_a_dead_one_has_one_more_attempt_with_each_repeat(flaky):
    session = new_session()
    answers = [deliver(flaky, session, "d", "retried", times=4) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [500, 500, 200]
    assert flaky.interactions(session)[0]["attempts"] == 5


@pytest.mark.parametrize("accepts", ["text/event-stream", "application/json"])
def test_a_failed_chat_is_healed_by_another_front(control, flaky, second, accepts):
    session = new_session()
    key = {"Idempotency-Key": session}
    assert flaky.chat("fail", session, headers=key).status_code == 500
    other = control.agent("flaky", second.url)
    again = other.chat("fail", session, headers={**key, "Accept": accepts})
    assert "handler-failed" in again.text or "dead" in again.text
    [row] = flaky.interactions(session)
    assert (row["status"], row["attempts"]) == ("dead", 3)


def test_of_many_repeats_after_a_failure_one_runs_and_all_have_its_answer(control, flaky, second, tmp_path):
    gate, session = Gate(tmp_path), new_session()
    fronts = [flaky, control.agent("flaky", second.url)]
    assert deliver(flaky, session, "d", "gated", times=1, gate=gate).status_code == 500
    with ThreadPoolExecutor(8) as pool:
        many = [pool.submit(deliver, fronts[n % 2], session, "d", "gated", times=1, gate=gate) for n in range(8)]
        gate.reached()
        wait_until(lambda: flaky.interactions(session)[0]["status"] == "queued")
        gate.open()
        answers = [one.result() for one in many]
    assert [(one.status_code, one.json()) for one in answers] == [(200, {"attempt": 2})] * 8
    assert flaky.interactions(session)[0]["attempts"] == 2


def test_a_repeat_waits_for_the_run_also_when_that_fails(flaky, control, second, tmp_path):
    gate, session = Gate(tmp_path), new_session()
    key, text = {"Idempotency-Key": session}, f"gate:{gate}"
    first = started(flaky.chat, text, session, headers=key)
    gate.reached()
    with control.agent("flaky", second.url).stream(text, session, **{"Idempotency-Key": session}) as events:
        assert [next(events).type for _ in range(2)] == ["session", "accepted"]
        gate.open()
        last = list(events)[-1]
    assert (last.type, last.data["error"]["status"], first.result(20).status_code) == ("error", 500, 500)
    assert flaky.interactions(session)[0]["attempts"] == 2, "its own two, and none for the repeat"


def test_an_accepted_one_is_healed_too(flaky):
    session = new_session()
    request = {"params": {"session": session, "times": 2}, "headers": {"X-GitHub-Delivery": "d"}}
    first = flaky.hook("once-more", **request).json()
    assert flaky.finished(first["interactionId"])["status"] == "dead"
    assert flaky.hook("once-more", **request).json() == first
    healed = flaky.finished(first["interactionId"])
    assert (healed["status"], healed["attempts"], len(healed["errors"])) == ("done", 3, 2)


def test_the_same_id_in_another_session_is_another_delivery(flaky):
    one, two = new_session(), new_session()
    answers = [deliver(flaky, session, "shared", times=0) for session in (one, two)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].headers["x-interaction-id"] != answers[1].headers["x-interaction-id"]
    assert flaky.state(two) == {"seen": ["plain--1"]}


def test_a_key_with_another_body_is_refused_whatever_became_of_the_first(plain, control, second):
    session = new_session()
    key = {"Idempotency-Key": session}
    plain.chat("a", session, headers=key)
    for agent in (plain, control.agent("plain", second.url)):
        answer = agent.chat("b", session, headers=key)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "Idempotency-Key")
    assert plain.chat("a", session, headers=key).json()["message"]["content"] == "1: a"
    assert plain.chat("b", new_session(), headers=key).status_code == 200


def test_a_hooks_key_with_another_body_is_refused_and_a_senders_own_id_is_not(control):
    agent = control.agent("rejecting")
    session = new_session()
    for header, expected in (("Idempotency-Key", 422), ("X-GitHub-Delivery", 200)):
        sent = [
            agent.hook("nudge", params={"session": session}, headers={header: session + header}, content=body)
            for body in (b"a", b"b")
        ]
        assert [one.status_code for one in sent] == [200, expected]


def test_a_chat_without_a_session_gets_the_firsts_temporary_one(control, plain, second):
    key = {"Idempotency-Key": new_session()}
    first = control.agent("plain", second.url).chat("a", headers=key).json()
    again = plain.chat("a", headers=key).json()
    assert again == first
    assert again["sessionId"].startswith("tmp-")
    named = plain.chat("a", first["sessionId"], headers=key).json()
    assert named == first, "who has learnt the session's name is recognised as well"
    made = control.query("select count(*) as n from sessions where agent_id = 'plain' and temporary")
    plain.chat("a", headers=key)
    assert control.query("select count(*) as n from sessions where agent_id = 'plain' and temporary") == made


def test_a_chat_without_a_session_is_recognised_after_its_session_is_over(control, plain):
    key = {"Idempotency-Key": new_session()}
    first = plain.chat("a", headers=key).json()
    control.query("update sessions set expires_at = now() where id = %s", first["sessionId"])
    wait_until(lambda: not plain.exists(first["sessionId"]), 20, "the end of the temporary session")
    assert plain.chat("a", headers=key).json() == first


def test_hooks_that_find_no_session_are_recognised_among_themselves(control):
    agent = control.agent("flaky")
    headers = {"X-GitHub-Delivery": new_session()}
    first, again = (agent.hook("plain", params={"times": 1}, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code, again.json()) == (500, 200, {"attempt": 2})
    assert first.json()["interactionId"] == again.headers["x-interaction-id"]


def test_a_repeat_of_a_cancelled_one_is_told_that_it_is_cancelled(control, tmp_path):
    agent, session, gate = control.agent("plain"), new_session(), Gate(tmp_path)
    key = {"Idempotency-Key": session}
    running = accept(agent, f"gate:{gate}", session, **key)
    gate.reached()
    waiting = started(agent.chat, f"gate:{gate}", session, headers=key)
    wait_until(lambda: cancel(agent, session) == [running])
    gate.open()
    assert waiting.result(5).status_code == 409
    again = agent.post("/v1/chat", json=chat_body(f"gate:{gate}", session), headers=key)
    assert (again.status_code, again.json()["interactionId"]) == (409, running)
    assert agent.post("/v1/chat", json=chat_body("x", session), headers=ASYNC).status_code == 202
