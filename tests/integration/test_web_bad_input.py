"""Bad input: each kind gets its own answer, and leaves nothing behind."""

import socket
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.client import chat_body, new_session

JSON = {"Content-Type": "application/json"}
PROBLEM = "application/problem+json"
RELAXED = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def problem(answer, status, slug):
    """The problem document, which must be of this kind."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), answer.text
    document = answer.json()
    assert (document["status"], document["type"]) == (status, f"urn:pumice:problem:{slug}")
    assert document["title"]
    assert document["detail"]
    return document


@pytest.mark.parametrize("body", [b'{"messages": [\n1,, 2]}', b'{"messages": [\n1,', b'\n{"messages" 1}'])
def test_broken_json_says_where(echo, body):
    for answer in (
        echo.post("/v1/chat", content=body, headers=JSON),
        echo.sessions(method="POST", content=body, headers=JSON),
        echo.post("/v1/agents/receiver/hooks/inspect", content=body, headers=JSON),
    ):
        document = problem(answer, 400, "malformed")
        assert (document["line"], document["position"] > 0) == (2, True)
        assert document["column"] >= 1


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[" * 100_000, b'{"a": "\\ud800"}', b"NaN"])
def test_what_is_no_json_at_all(echo, body):
    problem(echo.post("/v1/chat", content=body, headers=JSON), 400, "malformed")


FIELDS = [
    ({}, "messages"),
    ({"messages": None}, "messages"),
    ({"messages": "hello"}, "messages"),
    ({"messages": []}, "messages"),
    ({"messages": ["a", 5]}, "messages[1]"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
    ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
    ({"messages": ["x"], "history": "forget"}, "history"),
    ({"messages": ["x"], "sessionId": ["a"]}, "sessionId"),
    ({"messages": ["x"], "sessionId": True}, "sessionId"),
    ({"messages": ["x"], "sessionId": ""}, "sessionId"),
    ({"messages": ["x"], "sessionId": "x" * 256}, "sessionId"),
    ({"messages": ["x"], "sessionId": "a\x00b"}, "sessionId"),
    ({"messages": ["x"], "session_id": "a\nb"}, "sessionId"),
    ({"messages": ["x"], "sessionId": "a\x85b"}, "sessionId"),
    ({"messages": ["x"], "sessionId": "$static:tick"}, "sessionId"),
    ([], "body"),
    ("text", "body"),
]


@pytest.mark.parametrize(("body", "field"), FIELDS)
def test_a_wrong_field_is_named(echo, body, field):
    document = problem(echo.post("/v1/chat", json=body), 422, "invalid-field")
    assert [error["field"] for error in document["errors"]] == [field]
    assert field in document["detail"]


@pytest.mark.parametrize("naming", [{"params": {"sessionId": "x" * 256}}, {"headers": {"X-Session-Id": "x" * 256}}])
def test_a_session_id_is_checked_wherever_it_is_named(echo, naming):
    problem(echo.post("/v1/chat", json=chat_body("x"), **naming), 422, "invalid-field")


def test_a_key_that_is_no_text(echo):
    answer = echo.http.post("/v1/chat", json=chat_body("x", apiKey=5))
    assert problem(answer, 422, "invalid-field")["errors"][0]["field"] == "apiKey"


def test_other_media_types(echo):
    answer = echo.post("/v1/chat", content=b"messages=x", headers={"Content-Type": "application/x-www-form-urlencoded"})
    problem(answer, 415, "unsupported-media-type")
    assert echo.post("/v1/chat", content=b'{"messages": ["x"]}').status_code == 200


UNKNOWN = [
    ("POST", "/v1/agents/nobody/chat", "unknown-agent"),
    ("POST", "/v1/agents/nobody/hooks/inspect", "unknown-agent"),
    ("GET", "/v1/agents/nobody/sessions", "unknown-agent"),
    ("POST", "/v1/agents/echo/hooks/nothing", "unknown-hook"),
    ("GET", "/v1/agents/echo/sessions/nothing", "unknown-session"),
    ("GET", "/v1/interactions/nothing", "unknown-interaction"),
    ("GET", "/nothing", "not-found"),
    ("POST", "/v2/chat", "not-found"),
    ("GET", "/v1/agents/echo/hooks/a/b", "not-found"),
]


@pytest.mark.parametrize(("method", "path", "slug"), UNKNOWN)
def test_what_is_not_there(echo, method, path, slug):
    answer = echo.http.request(method, path, headers=echo.secret, json=chat_body("x") if method == "POST" else None)
    problem(answer, 404, slug)


def test_an_agent_that_does_not_chat(stack):
    problem(stack.agent("mute").chat("x"), 404, "unknown-hook")


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/v1/chat"), ("DELETE", "/v1/agents/echo/chat"), ("PUT", "/v1/agents/echo/sessions")]
)
def test_other_methods(echo, method, path):
    problem(echo.http.request(method, path), 405, "method-not-allowed")


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "pub_wrong"}, {"Authorization": "Bearer x"}, {"x-api-key": "é"}])
@pytest.mark.parametrize("path", ["/v1/chat", "/v1/agents/echo/chat"])
def test_a_wrong_key(echo, path, headers):
    sent = {name: value.encode() for name, value in headers.items()}
    answer = echo.http.post(path, json=chat_body("x"), headers=sent)
    problem(answer, 401, "unauthorized")
    assert "x-api-key" in answer.headers["www-authenticate"]


def partly_sent(client, path, *heads, body=b""):
    """The status line of the answer to a request of which only the beginning is sent, as if the sender had gone."""
    address = urlsplit(client.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        head = [f"POST {path} HTTP/1.1", f"Host: {address.netloc}", f"x-api-key: {client.public_key}", *heads, "", ""]
        connection.sendall("\r\n".join(head).encode() + body)
        connection.shutdown(socket.SHUT_WR)
        return connection.recv(4096).split(b"\r\n")[0].decode()


@pytest.mark.parametrize("path", ["/v1/chat", "/v1/agents/receiver/hooks/inspect"])
def test_a_body_over_the_limit_is_refused_before_it_is_read(receiver, path):
    assert " 413 " in partly_sent(receiver, path, "Content-Length: 10000001", body=b"x" * 1000)


def test_a_body_without_length_is_refused_when_it_passes_the_limit(receiver):
    chunk = b"f4240\r\n" + b"x" * 1_000_000 + b"\r\n"
    path = "/v1/agents/receiver/hooks/inspect"
    assert " 413 " in partly_sent(receiver, path, "Transfer-Encoding: chunked", body=chunk * 11)


def test_a_body_without_length_may_be_as_large_as_the_limit(receiver):
    answer = receiver.hook("inspect", content=iter([b"x" * 9_999_999, b"x"]))
    assert answer.json()["length"] == 10_000_000


@pytest.mark.parametrize("path", ["/v1/chat", "/v1/agents/receiver/hooks/inspect"])
def test_half_a_body_is_refused(receiver, path):
    assert " 400 " in partly_sent(receiver, path, "Content-Length: 30", body=b'{"messages": ["x"]}')
    assert " 400 " in partly_sent(receiver, path, "Transfer-Encoding: chunked", body=b"30\r\n" + b'{"messages": ["x"]}')


def test_a_large_body_to_an_unknown_hook_does_not_matter(receiver):
    assert " 404 " in partly_sent(receiver, "/v1/agents/receiver/hooks/nothing", "Content-Length: 10000001")


@pytest.mark.parametrize("command", ["raise", "exit"])
def test_a_handler_that_raises(stack, command):
    client, session = stack.agent("faulty"), new_session()
    client.reply("fine", session)
    answer = client.chat(command, session)
    document = problem(answer, 500, "handler-failed")
    assert client.interaction(document["interactionId"]).json()["status"] == "failed"
    assert not any(word in answer.text for word in ("secret is", "Traceback", "agents_chat"))
    assert client.reply("fine", session) == "turn 2"
    assert [one["content"] for one in client.sessions(f"/{session}/messages").json()["messages"]][1::2] == [
        "turn 1",
        "turn 2",
    ]


def test_a_hook_that_raises(receiver):
    session = new_session()
    answer = receiver.hook("fail", params={"session": session, "how": "raise"})
    document = problem(answer, 500, "handler-failed")
    assert receiver.finished(document["interactionId"])["error"]["type"] == "RuntimeError"
    assert "secret is" not in answer.text
    assert receiver.state(session)["calls"] == 0


@pytest.mark.parametrize(("command", "field"), [("state", "state.value"), ("result", "the reply.content[0].when")])
def test_what_a_turn_leaves_must_be_json(stack, command, field):
    client, session = stack.agent("faulty"), new_session()
    assert field in problem(client.chat(command, session), 500, "unserialisable")["detail"]
    assert client.state(session)["turns"] == 0


@pytest.mark.parametrize(
    ("how", "field"),
    [("state", "state.value"), ("result", "orders[0].customer"), ("header", "X-Bad"), ("status", "1000")],
)
def test_what_a_hook_leaves_must_be_sendable(receiver, how, field):
    session = new_session()
    answer = receiver.hook("fail", params={"session": session, "how": how})
    assert answer.status_code == 500
    stored = receiver.finished(answer.json()["interactionId"])
    assert field in stored["error"]["message"]
    assert receiver.state(session)["calls"] == 0


@RELAXED
@given(body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_body_makes_the_front_fail(echo, body):
    assert echo.post("/v1/chat", content=body, headers=JSON).status_code in {400, 422}


@RELAXED
@given(path=st.text(st.characters(codec="utf-8"), max_size=30).map(lambda text: quote(text, safe="")))
def test_no_address_makes_the_front_fail(echo, path):
    for form in (
        "/v1/agents/{}/sessions",
        "/v1/agents/echo/sessions/{}",
        "/v1/agents/echo/hooks/{}",
        "/v1/interactions/{}",
    ):
        answer = echo.http.get(form.format(path), headers=echo.secret)
        assert answer.status_code in {200, 400, 404}, (form, answer.text)
