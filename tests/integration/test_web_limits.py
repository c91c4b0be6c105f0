"""Settings that limit a front, on a second front of the same stack with small ones."""

import contextlib

import pytest
from websocket import ABNF

from tests.support.client import AgentClient, chat_body, new_session
from tests.support.gates import Gate
from tests.support.sockets import SocketClient
from tests.support.waiting import wait_until

SETTINGS = {
    "REPLY_TIMEOUT": "0.5",
    "PING_INTERVAL": "0.3",
    "FRAME_LIMIT": "2000",
    "BODY_LIMIT": "5000",
    "TEMPORARY_TTL": "0.5",
    "ALLOWED_ORIGINS": "https://good.example,https://fine.example",
    "QUEUE_LIMIT": "3",
}


@pytest.fixture(scope="module")
def front(stack):
    with stack.front(**SETTINGS) as process:
        yield process


@pytest.fixture
def small(stack, front):
    return stack.agent("echo", front.url)


def test_a_session_is_shared_by_the_sockets_of_all_fronts(echo, small):
    session = new_session()
    with small.socket(session) as there, echo.socket(session) as here:
        there.next()
        here.send("hello")
        assert there.until("message")["message"]["content"] == "1: hello"
        there.send("and back")
        assert here.until("message")["message"]["content"] == "1: hello"
        assert here.until("message")["message"]["content"] == "3: and back"


def test_a_repeat_at_another_front_gets_the_first_answer(echo, small, tmp_path):
    gate, session = Gate(tmp_path), new_session()
    headers = {"Idempotency-Key": session}
    first = echo.chat(f"gate:{gate}", session, headers={**headers, "Prefer": "respond-async"}).json()
    gate.open()
    again = small.chat(f"gate:{gate}", session, headers=headers).json()
    assert again["interactionId"] == first["interactionId"]


def test_a_reply_that_takes_too_long_becomes_an_acceptance(small, receiver, stack, tmp_path):
    gate, session = Gate(tmp_path), new_session()
    answer = small.chat(f"gate:{gate}", session)
    assert (answer.status_code, answer.json()["status"]) == (202, "accepted")
    hook = stack.agent("receiver", small.url).hook("slow", params={"session": session})
    assert hook.status_code in {202, 504}
    gate.open()
    wait_until(lambda: small.http.get(answer.headers["location"], headers=small.public).json()["status"] == "done")


def test_a_stream_waits_longer_and_is_kept_alive(small, tmp_path):
    gate = Gate(tmp_path)
    headers = {**small.public, "accept": "text/event-stream"}
    with small.http.stream("POST", "/v1/chat", json=chat_body(f"gate:{gate}"), headers=headers) as answer:
        lines = answer.iter_lines()
        assert [next(line for line in lines if line == ": ping") for _ in range(2)]
        gate.open()
        assert any(line == "event: message" for line in lines)


def test_sockets_are_pinged(small):
    with small.socket() as socket:
        socket.opcode(ABNF.OPCODE_PING)


def test_a_socket_that_does_not_answer_pings_is_closed(small):
    with small.socket() as socket:
        socket.ignore_pings()
        assert socket.closed() == 1008


def test_the_frame_limit(small):
    with small.socket() as socket:
        socket.send("x" * 2001)
        assert socket.closed() == 1009


@pytest.mark.parametrize("size", [1000, 1001])
def test_it_counts_bytes(small, size):
    with small.socket() as socket:
        socket.send("ä" * size)
        if size == 1000:
            assert socket.until("message")["message"]["content"] == "1: " + "ä" * 1000
        else:
            assert socket.closed() == 1009


def test_it_counts_all_pieces_of_a_message(small):
    with small.socket() as socket:
        socket.next()
        with contextlib.suppress(OSError):
            socket.piece("ü" * 400, ABNF.OPCODE_TEXT, last=False)
            for _ in range(3):
                socket.piece("ü" * 400, ABNF.OPCODE_CONT, last=False)
        assert socket.closed() == 1009


def test_a_socket_that_floods_is_told_to_wait(stack, tmp_path):
    gate = Gate(tmp_path)
    with stack.front(SOCKET_QUEUE_LIMIT="3") as front:
        client = stack.agent("echo", front.url)
        with client.socket(new_session()) as socket:
            for text in (f"gate:{gate}", "b", "c", "d"):
                socket.send(text)
            assert socket.until("error")["error"]["type"] == "urn:pumice:problem:too-many-requests"
            gate.open()
            for _ in range(3):
                socket.until("done")
            socket.send("e")
            assert socket.until("message")["message"]["content"] == "7: e"


def test_the_body_limit(small):
    assert small.chat("x" * 4000).status_code == 200
    assert small.chat("x" * 5000).json()["type"] == "urn:pumice:problem:too-large"


@pytest.mark.parametrize("origin", ["https://good.example", "https://fine.example", None])
def test_allowed_origins(small, origin):
    url = f"{small.url.replace('http', 'ws')}/v1/echo?apiKey={small.public_key}"
    with SocketClient(url, origin=origin) as socket:
        assert socket.next()["type"] == "session"


def test_other_origins(small):
    url = f"{small.url.replace('http', 'ws')}/v1/echo?apiKey={small.public_key}"
    with SocketClient(url, origin="https://evil.example") as socket:
        assert socket.closed() == 4403


def test_a_full_queue_is_told_with_retry_after(small, tmp_path):
    gate, session = Gate(tmp_path), new_session()
    later = {"Prefer": "respond-async"}
    small.chat(f"gate:{gate}", session, headers=later)
    gate.reached()
    answers = [small.chat("x", session, headers=later) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [202, 202, 429, 429, 429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    gate.open()
    wait_until(lambda: small.chat("y", session, headers=later).status_code == 202)


def test_temporary_sessions_expire(small):
    answer = small.chat("x").json()
    with small.socket() as socket:
        unused = socket.next()["sessionId"]
    wait_until(lambda: not small.exists(unused), 20, "the end of a temporary session without turns")
    assert small.exists(answer["sessionId"]), "the worker's TTL, after its turn, is longer"


def test_guessers_are_slowed_down(stack):
    with stack.front(AUTH_FAILURES_PER_MINUTE="3") as front:
        guesser = AgentClient(front.url, "echo", "pub_guess", "sec_guess")
        guesses = [guesser.post("/v1/chat", json=chat_body("x"), headers={"x-api-key": f"pub_{n}"}) for n in range(5)]
        assert [guess.status_code for guess in guesses] == [401, 401, 401, 429, 429]
        assert 1 <= int(guesses[-1].headers["retry-after"]) <= 60
        guesser.http.close()
