"""Every form of a socket's address, and who is let in."""

import contextlib
from itertools import permutations
from urllib.parse import quote

import pytest

from tests.support.client import new_session
from tests.support.sockets import SocketClient


def opened(client, address):
    """What the first frame says of a socket at this address, after a chat through it."""
    with client.socket(address=address) as socket:
        first = socket.next()
        assert first["type"] == "session"
        socket.send("hello")
        assert socket.until("message")["message"]["content"] == "1: hello"
        return first["agentId"], first["sessionId"]


QUERIES = [
    "agent_id={agent}&api_key={key}&sessionId={session}",
    "agentId={agent}&apiKey={key}&session_id={session}",
    "session_id={session}&apiKey={key}",
    "AGENTID={agent}&APIKEY={key}&SESSIONID={session}",
]


@pytest.mark.parametrize("query", QUERIES)
def test_named_by_query(echo, query):
    session = new_session()
    address = "/v1?" + query.format(agent="echo", key=echo.public_key, session=session)
    assert opened(echo, address) == ("echo", session)


ORDERS = [*permutations(("agentId={agent}", "apiKey={key}", "sessionId={session}"))]


@pytest.mark.parametrize("parts", ORDERS, ids=lambda parts: "-".join(part.partition("=")[0] for part in parts))
def test_named_by_path_in_any_order(echo, parts):
    session = new_session()
    address = "/v1/" + "/".join(parts).format(agent="echo", key=echo.public_key, session=session)
    assert opened(echo, address) == ("echo", session)


@pytest.mark.parametrize("parts", [*permutations(("agent_id={agent}", "api_key={key}"))])
def test_a_path_without_session_makes_a_temporary_one(echo, parts):
    _, session = opened(echo, "/v1/" + "/".join(parts).format(agent="echo", key=echo.public_key))
    assert echo.sessions(f"/{session}").json()["temporary"]


@pytest.mark.parametrize("name", ["a/b", "käse ☕", "50%25", "a=b", "a+b&c"])
@pytest.mark.parametrize(
    "form", ["/v1/agentId=echo/apiKey={key}/sessionId={session}", "/v1/echo?sessionId={session}&apiKey={key}"]
)
def test_any_text_can_be_written_into_the_address(echo, form, name):
    session = new_session() + name
    assert opened(echo, form.format(key=echo.public_key, session=quote(session, safe=""))) == ("echo", session)


def test_the_agent_alone_in_the_path(echo):
    session = new_session()
    assert opened(echo, f"/v1/echo?sessionId={session}&api_key={echo.public_key}") == ("echo", session)


def test_the_key_in_a_header(echo):
    url = echo.url.replace("http", "ws") + "/v1/echo"
    with SocketClient(url, {"x-api-key": echo.public_key}) as socket:
        assert socket.next()["sessionId"].startswith("tmp-")


def refused(client, address):
    with client.socket(address=address) as socket:
        code = socket.closed()
        assert socket.types() == ["error"]
        return code, socket.seen[0]["error"]["type"].rpartition(":")[2]


def test_a_wrong_key(echo, stack):
    assert refused(echo, "/v1?agent_id=echo&api_key=pub_wrong") == (4401, "unauthorized")
    assert refused(echo, "/v1/agentId=echo") == (4401, "unauthorized")
    others = stack.agent("other").public_key
    assert refused(echo, f"/v1/echo?apiKey={others}") == (4401, "unauthorized")


def test_an_unknown_agent(echo):
    assert refused(echo, f"/v1/agentId=nobody/apiKey={echo.public_key}") == (4404, "unknown-agent")
    assert refused(echo, f"/v1/no%2Fbody?apiKey={echo.public_key}") == (4404, "unknown-agent")


@pytest.mark.parametrize("name", ["", "x" * 256, "a%00b", "a%0Ab", "$static"])
def test_a_session_id_that_can_be_none(echo, name):
    assert refused(echo, f"/v1/echo?apiKey={echo.public_key}&sessionId={name}") == (4400, "invalid-field")


def test_a_plain_request_is_told_that_sockets_live_here(echo):
    for path in ("/v1", "/v1/echo", f"/v1/agentId=echo/apiKey={echo.public_key}"):
        answer = echo.http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
        assert "WebSockets" in answer.json()["detail"]


def test_compression_is_not_agreed_on(echo):
    url = echo.url.replace("http", "ws", 1) + f"/v1?api_key={echo.public_key}"
    with SocketClient(url, {"Sec-WebSocket-Extensions": "permessage-deflate"}) as socket:
        assert socket.next()["type"] == "session"
        assert "sec-websocket-extensions" not in socket.answered


@pytest.mark.parametrize("key", ["wrong", ""])
def test_a_client_that_talks_at_once_is_told_why_it_is_refused(echo, key):
    for _ in range(10):
        with SocketClient(echo.url.replace("http", "ws", 1) + f"/v1?agent_id=echo&api_key={key}") as socket:
            with contextlib.suppress(OSError):
                for _ in range(20):
                    socket.send("x" * 1000)
            assert socket.closed() == 4401
