"""Whole numbers of any size stay exact: in requests, states, calls, events and answers."""

import json

import pytest

from tests.support.client import new_session
from tests.support.waiting import wait_until

NUMBERS = [
    18446744073709551615,
    18446744073709551616,
    19876543210987654321,
    -9223372036854775809,
    10**60 + 7,
    10**400 + 7,
]


@pytest.fixture(scope="module")
def notebook(stack):
    return stack.agent("notebook")


@pytest.mark.parametrize("number", NUMBERS)
def test_a_hook_s_number_comes_through(notebook, number):
    session = new_session()
    with notebook.socket(session) as socket:
        assert socket.next()["type"] == "session"  # from then on it sees what happens
        answer = notebook.hook("number", params={"session": session}, json={"number": number})
        assert json.loads(answer.content) == {"number": number, "more": number + 1}
        assert socket.until("data")["data"] == {"number": number}
    wait_until(lambda: notebook.state(session)["notes"].get("called") == number, what="the call")
    assert notebook.state(session)["notes"]["number"] == number
    [hook] = [one for one in notebook.interactions(session) if one["kind"] == "hook"]
    assert f'"number": {number}' in json.dumps(hook["result"])
    assert [one.get("args", [number])[-1] for one in hook["effects"]] == [number, number]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_chat_s_and_a_frame_s_number_comes_through(notebook, number):
    session = new_session()
    parts = [{"type": "text", "text": "set a 1"}, {"type": "number", "number": number}]
    body = {"sessionId": session, "messages": [{"role": "user", "content": parts}]}
    assert notebook.post("/v1/chat", json=body).status_code == 200
    first = notebook.sessions(f"/{session}/messages").json()["messages"][0]
    assert first["content"][1]["number"] == number
    with notebook.socket(session) as socket:
        socket.send({"number": number})
        assert socket.until("data")["data"] == {"back": number}
    changed = notebook.sessions(f"/{session}", "PATCH", json={"metadata": {"number": number}})
    assert changed.json()["metadata"] == {"number": number}


def test_a_number_of_too_many_digits_is_named(notebook):
    body = b'{"messages": [{"role": "user", "content": [{"type": "n", "n": ' + b"9" * 5_000 + b"}]}]}"
    answer = notebook.post("/v1/chat", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:pumice:problem:malformed")
    assert "not JSON" in answer.json()["detail"]
