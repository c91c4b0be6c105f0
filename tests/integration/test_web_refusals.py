"""What is no HTTP, or no HTTP that is spoken here, is refused as a problem; and no log line holds a key."""

import socket

import pytest

from tests.attacks.attack import RESET
from tests.support.raw import connected, exchange, head, problem_of
from tests.support.waiting import wait_until

CHAT = "/v1/chat"
MALFORMED = {
    "no request line": b"nonsense\r\n\r\n",
    "HTTP/0.9": b"GET /\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a bare line feed": b"GET /healthz HTTP/1.1\nHost: x\n\n",
    "a method in lower case": b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a NUL in the target": b"GET /\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a target beyond ASCII": b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header without a name": b"GET /healthz HTTP/1.1\r\n: x\r\n\r\n",
    "two lengths": head("POST", CHAT, content_length="1\r\nContent-Length: 2") + b"{}",
    "a negative length": head("POST", CHAT, content_length="-1"),
    "a length and chunks": head("POST", CHAT, content_length=3, transfer_encoding="chunked") + b"0\r\n\r\n",
    "an unknown coding": head("POST", CHAT, transfer_encoding="xchunked"),
    "an unknown expectation": head("POST", CHAT, expect="miracles"),
    "a folded header": head("GET", "/healthz", x="a\r\n b"),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_http_is_malformed(stack, data):
    assert problem_of(exchange(stack.url, data))[:2] == (400, "malformed")


@pytest.mark.parametrize(
    ("data", "status", "slug"),
    [
        (head("GET", f"/healthz?{'x' * 9_000}"), 414, "address-too-long"),
        (head("GET", "/healthz", x="x" * 9_000), 431, "headers-too-large"),
        (head("GET", "/healthz", **{f"x{number}": "x" for number in range(150)}), 431, "headers-too-large"),
        (head("GET", "/healthz", **{f"x{number}": "x" * 7_000 for number in range(8)}), 431, "headers-too-large"),
    ],
)
def test_a_head_has_bounds(stack, data, status, slug):
    assert problem_of(exchange(stack.url, data))[:2] == (status, slug)


def test_a_query_of_a_few_kilobytes_is_taken(receiver):
    answer = receiver.hook("inspect", "GET", params={"text": "ж" * 700})
    assert answer.json()["query"] == [["text", "ж" * 700]]


@pytest.mark.parametrize("chunks", [b"zz\r\nx\r\n", b"-1\r\n", b"3\r\nabcX", b"FFFFFFFFFFFFFFFFFF\r\n", b"5\r\nab"])
@pytest.mark.parametrize("path", [CHAT, "/v1/agents/receiver/hooks/inspect"])
def test_bad_chunks_are_malformed_and_end_the_connection(stack, path, chunks):
    key = stack.keys["echo"][0]
    data = head("POST", path, x_api_key=key, content_type="application/json", transfer_encoding="chunked") + chunks
    answer = exchange(stack.url, data)
    assert problem_of(answer)[:2] == (400, "malformed")
    assert answer.count(b"HTTP/1.1") == 1


def test_expect_100_continue_is_answered(stack):
    key, body = stack.keys["echo"][0], b'{"messages": ["x"]}'
    with connected(stack.url) as connection:
        length = len(body)
        connection.sendall(head("POST", CHAT, x_api_key=key, content_length=length, expect="100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_key_is_checked_before_the_body_is_read(stack):
    with connected(stack.url) as connection:
        wanted = {"content_type": "application/json", "content_length": 9_000_000}
        connection.sendall(head("POST", CHAT, x_api_key="pub_wrong", **wanted))
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


def test_garbage_after_a_good_request_does_not_spoil_it(stack):
    answer = exchange(stack.url, head("GET", "/healthz") + b"\x00\x01garbage\r\n\r\n")
    first, _, second = answer.partition(b'{"status":"ok"}')
    assert first.startswith(b"HTTP/1.1 200")
    assert problem_of(second)[0] == 400


@pytest.mark.parametrize(
    ("spoilt", "status", "slug"),
    [
        ({"sec_websocket_key": None}, 400, "malformed"),
        ({"sec_websocket_key": "eA=="}, 400, "malformed"),
        ({"sec_websocket_key": "no base64!"}, 400, "malformed"),
        ({"sec_websocket_version": None}, 400, "malformed"),
        ({"sec_websocket_version": "8"}, 426, "upgrade-required"),
        ({"host": ""}, 400, "malformed"),
        ({"host": "\xc3"}, 400, "malformed"),
        ({"sec_websocket_protocol": ",,\xff"}, 400, "malformed"),
    ],
)
@pytest.mark.parametrize("target", ["/v1?agent_id=echo&api_key={key}", "/v1/agentId=echo/apiKey={key}"])
def test_a_handshake_that_is_not_whole(stack, target, spoilt, status, slug):
    whole = {"sec_websocket_key": "c2l4dGVlbiBieXRlcyBvaw==", "sec_websocket_version": "13"}
    sent = {name: value for name, value in {**whole, **spoilt}.items() if value is not None}
    data = head("GET", target.format(key=stack.keys["echo"][0]), upgrade="websocket", connection="Upgrade", **sent)
    found = problem_of(exchange(stack.url, data))
    assert found[:2] == (status, slug)
    assert (found[2].get("sec-websocket-version") == "13") == (status == 426)


@pytest.mark.parametrize("history", [{}, [], 5, None, True])
def test_history_of_another_type(echo, history):
    answer = echo.chat("x", history=history)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "history")


def test_a_body_of_chunks_is_read_where_a_body_is_optional(echo):
    echo.reply("x", "chunked-cancel")
    answer = echo.sessions("/chunked-cancel/cancel", "POST", content=iter([b'{"queued": ', b"5}"]))
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "queued")
    assert echo.sessions("/chunked-cancel/cancel", "POST").status_code == 200


def test_no_key_is_logged_and_a_lost_connection_is_no_line(stack):
    front, (public, secret) = stack.shared["front"], stack.keys["echo"]
    before = len(front.lines)
    for data in (
        head("GET", f"//[%2F?api_key={public}"),
        head("GET", f"/v1/agentId=echo/apiKey={secret}/%2F//["),
        f"GET /{secret} /x HTTP/1.1\r\n\r\n".encode(),
        f"{secret}\r\n\r\n".encode(),
        head("POST", CHAT, x_api_key=public, content_length=50) + b"{",
    ):
        assert problem_of(exchange(stack.url, data))[0] in {400, 404}
    for _ in range(20):
        with connected(stack.url) as connection:
            connection.sendall(head("POST", CHAT, x_api_key=public, content_length=50))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    wait_until(lambda: b"200" in exchange(stack.url, head("GET", "/healthz")), 10, "a healthy front")
    assert front.lines[before:] == []
