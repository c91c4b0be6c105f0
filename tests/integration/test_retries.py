"""Failed attempts run again, by the declaration's policy; what is given up keeps its errors."""

import pytest

from tests.support.client import AgentClient, new_session
from tests.support.control import accept, send_hook
from tests.support.stack import Stack
from tests.support.waiting import wait_until


@pytest.fixture
def flaky(control: Stack) -> AgentClient:
    return control.agent("flaky")


def test_a_handler_may_ask_to_be_run_again(flaky):
    session = new_session()
    answer = flaky.hook("asked", params={"session": session, "times": 2, "kind": "retry"})
    assert (answer.status_code, answer.json()) == (200, {"attempt": 3})
    document = flaky.interaction(answer.headers["x-interaction-id"], secret=True).json()
    assert (document["status"], document["attempts"]) == ("done", 3)
    assert [(one["attempt"], one["type"]) for one in document["errors"]] == [(1, "Retry"), (2, "Retry")]
    assert document["error"] is None
    assert flaky.state(session) == {"seen": ["asked--3"]}


@pytest.mark.parametrize("name", ["retried", "retried-async"])
def test_what_the_declaration_names_is_retried(flaky, name):
    session = new_session()
    answer = flaky.hook(name, params={"session": session, "times": 2})
    assert (answer.status_code, answer.json()) == (200, {"attempt": 3})
    assert flaky.state(session) == {"seen": [f"{name}--3"]}


def test_another_error_is_not_retried(flaky):
    answer = flaky.hook("retried", params={"session": new_session(), "times": 1, "kind": "value"})
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:pumice:problem:handler-failed")
    document = flaky.interaction(answer.json()["interactionId"], secret=True).json()
    assert (document["status"], document["attempts"]) == ("failed", 1)
    assert document["error"]["type"] == "ValueError"


def test_after_the_last_attempt_it_is_dead_and_the_session_goes_on(flaky):
    session = new_session()
    answer = flaky.hook("retried", params={"session": session, "times": 9})
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:pumice:problem:dead")
    assert "traceback" not in answer.text
    document = flaky.interaction(answer.json()["interactionId"], secret=True).json()
    assert (document["status"], document["attempts"]) == ("dead", 3)
    assert document["reason"] == "dead after attempt 3: ConnectionError"
    assert [one["message"] for one in document["errors"]] == ["failure 1", "failure 2", "failure 3"]
    assert all("raise kind" in one["traceback"] for one in document["errors"])
    assert flaky.hook("plain", params={"session": session}).status_code == 200
    assert flaky.state(session) == {"seen": ["plain--1"]}


def test_asking_for_ever_ends_too(flaky):
    document = flaky.finished(send_hook(flaky, "asked", new_session(), times=99, kind="retry"))
    assert (document["status"], document["attempts"]) == ("dead", 4)


def test_an_exit_is_a_failure_like_others(flaky):
    document = flaky.finished(send_hook(flaky, "plain", new_session(), times=1, kind="exit"))
    assert (document["status"], document["error"]["type"]) == ("failed", "SystemExit")


def test_a_chat_is_retried_too(flaky):
    session = new_session()
    document = flaky.finished(accept(flaky, "fail", session))
    assert (document["status"], document["attempts"]) == ("dead", 2)
    assert flaky.sessions(f"/{session}/messages").json()["messages"] == []
    assert flaky.reply("hi", session) == "1"
    assert flaky.state(session) == {"seen": ["hi"]}


def test_a_timeout_is_retried_as_any_failure(flaky):
    session = new_session()
    document = flaky.finished(send_hook(flaky, "timed", session))
    assert (document["status"], document["attempts"], document["errors"][0]["type"]) == ("done", 2, "timeout")
    assert flaky.state(session) == {"seen": ["timed--2"]}


def test_later_interactions_overtake_one_that_waits_for_its_retry(flaky):
    session = new_session()
    first = send_hook(flaky, "once-more", session, times=1)
    wait_until(lambda: flaky.interaction(first).json()["errors"], what="the first attempt")
    send_hook(flaky, "plain", session)
    assert flaky.finished(first)["status"] == "done"
    wait_until(lambda: len(flaky.state(session)["seen"]) == 2)
    assert sorted(flaky.state(session)["seen"]) == ["once-more--2", "plain--1"]


def test_with_blocking_they_wait(flaky):
    session = new_session()
    first = send_hook(flaky, "blocking", session, times=2)
    others = [send_hook(flaky, "plain", session, tag=tag) for tag in "ab"]
    wait_until(lambda: flaky.interaction(first).json()["errors"], what="the first attempt")
    others.append(send_hook(flaky, "plain", session, tag="c"))
    assert [flaky.finished(one)["status"] for one in [first, *others]] == ["done"] * 4
    assert flaky.state(session)["seen"] == ["blocking--3", "plain-a-1", "plain-b-1", "plain-c-1"]


def test_with_blocking_they_go_on_after_its_death(flaky):
    session = new_session()
    first = send_hook(flaky, "blocking", session, times=9)
    second = send_hook(flaky, "plain", session)
    assert flaky.finished(second)["status"] == "done"
    assert flaky.interaction(first).json()["status"] == "dead"


def test_a_blocked_session_holds_up_no_other(flaky):
    blocked, free = new_session(), new_session()
    first = send_hook(flaky, "long-blocking", blocked, times=1)
    wait_until(lambda: flaky.interaction(first).json()["errors"], what="the first attempt")
    waiting = send_hook(flaky, "plain", blocked)
    assert flaky.finished(send_hook(flaky, "plain", free))["status"] == "done"
    assert flaky.interaction(waiting).json()["status"] == "queued"


def test_a_public_key_sees_the_errors_without_their_tracebacks(flaky):
    document = flaky.finished(send_hook(flaky, "plain", new_session(), times=1))
    shown = flaky.interaction(document["interactionId"]).json()
    assert shown["error"] == {"attempt": 1, "code": "handler-failed", "type": "ConnectionError"}
    assert "traceback" in document["error"]
