"""Webhooks: the session that each selector chooses, answers, and who is let in."""

import hashlib
import hmac
from uuid import uuid4

import pytest

from tests.support.agents_hooks import SECRET
from tests.support.client import new_session

SELECTED = {
    "by-body": lambda name: {"json": {"customer": {"id": name}}},
    "by-query": lambda name: {"params": {"session": name}},
    "by-header": lambda name: {"headers": {"X-Session": name}},
    "by-lambda": lambda name: {"json": {"session": name}},
    "by-async": lambda name: {"json": {"session": name}},
    "by-object": lambda name: {"json": {"session": name}},
    "async": lambda name: {"params": {"session": name}},
}


@pytest.fixture(scope="module")
def selected(stack):
    return stack.agent("selected")


@pytest.mark.parametrize("hook", SELECTED)
def test_a_selector_chooses_the_session(selected, hook):
    session = new_session()
    answers = [selected.hook(hook, **SELECTED[hook](session)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.json() for answer in answers] == [{"session": session, "calls": n} for n in (1, 2)]
    assert selected.interactions(session)[0]["name"] == hook


@pytest.mark.parametrize(("hook", "session"), [("by-default", "default"), ("by-name", "the-one")])
def test_a_fixed_string_is_the_session(selected, hook, session):
    assert selected.hook(hook).json()["session"] == session


def test_a_body_selector_reads_forms_and_numbers(selected):
    number = uuid4().int % 2**53
    assert selected.hook("by-body", json={"customer": {"id": number}}).json()["session"] == str(number)
    assert selected.hook("by-body", data={"customer": "x"}).json()["session"].startswith("tmp-")


@pytest.mark.parametrize("hook", ["by-none", "by-query", "by-header"])
def test_a_selector_that_returns_nothing_makes_a_temporary_session(selected, hook):
    answer = selected.hook(hook).json()
    assert selected.sessions(f"/{answer['session']}").json()["temporary"]
    assert answer["calls"] == 1


def test_a_selector_that_raises_is_named(selected):
    answer = selected.hook("by-failing")
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:pumice:problem:selector-failed")
    assert (answer.json()["hook"], answer.json()["selector"]) == ("by-failing", "failing")
    assert "by-failing" in answer.json()["detail"]
    assert answer.json()["detail"].endswith("failed: KeyError")
    assert "no such part" not in answer.text


def test_a_selector_that_gives_no_session_id_is_named(selected):
    answer = selected.hook("by-lambda", json={"session": ["a"]})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith("session (from ")


def test_static_hooks_run_without_an_instance(selected):
    session = new_session()
    assert selected.hook("static", params={"session": session}).json() == {"static": True}
    assert selected.state(session) == {"calls": 0}


def test_a_hook_takes_its_methods_only(selected):
    assert selected.hook("get-only", "GET").status_code == 200
    refused = selected.hook("get-only", "POST")
    assert (refused.status_code, refused.json()["type"]) == (405, "urn:pumice:problem:method-not-allowed")
    assert selected.hook("by-none", "PUT").status_code == 405


ANSWERS = {
    "nothing": (204, None, b""),
    "text": (200, "text/plain; charset=utf-8", b"plain"),
    "list": (200, "application/json", b"[1,2]"),
    "bytes": (200, "application/octet-stream", bytes(range(256))),
    "status": (201, "application/json", b'{"made":true}'),
    "headers": (418, "text/plain; charset=utf-8", b"teapot"),
    "redirect": (302, None, b""),
    "html": (200, "text/html; charset=utf-8", b"<p>hi</p>"),
    "error": (422, "application/json", b'{"wrong":"order"}'),
}


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_handlers_answer_is_relayed(receiver, kind):
    answer = receiver.hook("answer", "GET", params={"kind": kind})
    assert (answer.status_code, answer.headers.get("content-type"), answer.content) == ANSWERS[kind]
    assert receiver.finished(answer.headers["x-interaction-id"])["status"] == "done"


def test_a_handlers_headers_are_relayed(receiver):
    assert receiver.hook("answer", params={"kind": "headers"}).headers["x-kind"] == "short"
    redirect = receiver.hook("answer", params={"kind": "redirect"})
    assert redirect.headers["location"] == "https://example.com/next?a=1"
    cookies = receiver.hook("answer", params={"kind": "cookies"})
    assert cookies.headers.get_list("set-cookie") == ["a=1; Path=/", "b=2; Secure"]


def test_a_hook_may_answer_before_it_runs(receiver):
    session = new_session()
    answer = receiver.hook("later", params={"session": session})
    assert (answer.status_code, answer.json()["sessionId"]) == (202, session)
    assert answer.headers["location"] == f"/v1/interactions/{answer.json()['interactionId']}"
    assert receiver.finished(answer.json()["interactionId"])["result"]["json"] == {"calls": 1}
    assert receiver.state(session)["calls"] == 1


def test_a_sender_may_prefer_not_to_wait(receiver):
    session = new_session()
    answer = receiver.hook("inspect", params={"session": session}, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202
    assert receiver.finished(answer.json()["interactionId"])["result"]["status"] == 200


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


@pytest.mark.parametrize("headers", [{}, signed(b"other"), signed(b"body", "wrong"), {"X-Hub-Signature-256": "é"}])
def test_a_hook_lets_nobody_else_in(receiver, headers):
    session = new_session()
    sent = {name: value.encode() for name, value in headers.items()}
    answer = receiver.hook("signed", content=b"body", headers=sent, params={"session": session})
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:pumice:problem:unauthorized")
    assert not receiver.exists(session)


def test_a_hook_lets_its_sender_in(receiver):
    session = new_session()
    answer = receiver.hook("signed", content=b"body", headers=signed(b"body"), params={"session": session})
    assert answer.json() == {"calls": 1}


def test_checks_may_be_async_and_may_fail(receiver):
    assert receiver.hook("password", headers={"X-Password": SECRET}).status_code == 200
    assert receiver.hook("password", headers={"X-Password": "guess"}).status_code == 401
    assert receiver.hook("unverifiable").status_code == 401
