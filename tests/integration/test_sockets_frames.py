"""Frames in and out of a socket."""

import pytest
from websocket import ABNF

from tests.support.client import new_session
from tests.support.gates import Gate

CHATS = [
    pytest.param({"type": "chat", "messages": [{"role": "user", "content": "hello"}]}, id="chat"),
    pytest.param({"type": "chat", "messages": ["hello"], "history": "append"}, id="chat-short"),
    pytest.param({"role": "user", "content": "hello"}, id="message"),
    pytest.param("hello", id="text"),
    pytest.param(b"hello", id="binary"),
    pytest.param(b'{"role": "user", "content": "hello"}', id="binary-json"),
]


@pytest.mark.parametrize("frame", CHATS)
def test_a_chat_is_answered(echo, frame):
    with echo.socket(new_session()) as socket:
        socket.send(frame)
        done = socket.until("done")
    assert socket.types() == ["session", "accepted", "message", "done"]
    _, accepted, message, _ = socket.seen
    assert message["message"] == {"role": "assistant", "content": "1: hello"}
    assert accepted["kind"] == done["kind"] == "chat"
    assert accepted["interactionId"] == message["interactionId"] == done["interactionId"]


@pytest.mark.parametrize("text", ["5", "null", "[1, 2", "{not json}", "käse ☕", " "])
def test_any_other_text_is_a_message(echo, text):
    with echo.socket(new_session()) as socket:
        socket.send(text)
        assert socket.until("message")["message"]["content"] == f"1: {text}"


@pytest.mark.parametrize("data", [{"type": "move", "to": [1, 2]}, {"x": None}, [1, "two"]])
def test_any_other_json_goes_to_receive(echo, data):
    session = new_session()
    with echo.socket(session) as socket:
        socket.send(data)
        assert socket.until("data")["data"] == {"seen": 1}
        assert socket.until("done")["kind"] == "socket"
    assert echo.state(session)["notes"] == [data]


def test_what_receive_returns_is_sent(echo):
    with echo.socket() as socket:
        socket.send({"answer": {"a": [1]}})
        socket.until("done")
    assert [frame["data"] for frame in socket.seen if frame["type"] == "data"] == [{"seen": 1}, {"a": [1]}]


def test_accepted_comes_first_and_answers_in_order(echo):
    with echo.socket(new_session()) as socket:
        for number in range(20):
            socket.send(f"{number}")
        for _ in range(20):
            socket.until("done")
    messages = [frame["message"]["content"] for frame in socket.seen if frame["type"] == "message"]
    assert messages == [f"{2 * number + 1}: {number}" for number in range(20)]
    for kind in ("message", "done"):
        for frame in socket.seen:
            if frame["type"] == kind:
                earlier = socket.seen[: socket.seen.index(frame)]
                assert any(
                    one["type"] == "accepted" and one["interactionId"] == frame["interactionId"] for one in earlier
                )


@pytest.mark.parametrize("agent", ["streamer", "async-streamer"])
def test_deltas_come_while_the_turn_runs(stack, tmp_path, agent):
    gate, client = Gate(tmp_path), stack.agent(agent)
    with client.socket() as socket:
        socket.send(str(gate))
        delta = socket.until("delta")
        assert (delta["content"], delta["attempt"]) == ("one ", 1)
        assert client.interaction(delta["interactionId"]).json()["status"] == "queued"
        gate.open()
        assert socket.until("message")["message"]["content"] == "one two"


def test_every_socket_of_a_session_sees_its_events(echo):
    session = new_session()
    with echo.socket(session) as first, echo.socket(session) as second:
        second.next()
        first.send("hello")
        assert first.until("done")["eventId"] == second.until("done")["eventId"]
        assert second.types() == ["session", "message", "done"]
        echo.reply("by HTTP", session)
        assert [one.until("message")["message"]["content"] for one in (first, second)] == ["3: by HTTP"] * 2


def test_a_session_sees_nothing_of_another(echo):
    with echo.socket(new_session()) as first, echo.socket(new_session()) as second:
        first.send("hello")
        first.until("done")
        second.send("mine")
        second.until("done")
    assert second.types() == ["session", "accepted", "message", "done"]


def error_of(socket, frame):
    socket.send(frame)
    return socket.until("error")["error"]


def test_a_frame_that_cannot_be_read_is_told(echo):
    with echo.socket() as socket:
        assert error_of(socket, '{"type": "chat", }')["status"] == 400
        assert error_of(socket, '{"type": "chat", }')["position"] == 15
        assert error_of(socket, b"\xff\xfe")["status"] == 400
        assert error_of(socket, {"type": "chat"})["errors"][0]["field"] == "messages"
        assert error_of(socket, {"role": "robot", "content": "x"})["errors"][0]["field"] == "messages[0].role"
        socket.send("still here")
        assert socket.until("message")["message"]["content"] == "1: still here"


def test_a_failing_handler_is_told_without_its_inside(echo):
    with echo.socket() as socket:
        problem = error_of(socket, {"type": "fail"})
        assert (problem["status"], problem["type"]) == (500, "urn:pumice:problem:handler-failed")
        assert problem["interactionId"] == socket.seen[-1]["interactionId"]
        assert "secret is" not in str(socket.seen)


def test_a_mute_agent_says_so(stack):
    with stack.agent("mute").socket() as socket:
        assert error_of(socket, "hello")["type"] == "urn:pumice:problem:unknown-hook"
        assert error_of(socket, {"type": "x"})["type"] == "urn:pumice:problem:handler-failed"


def test_a_frame_too_large_closes_the_socket(echo):
    session = new_session()
    with echo.socket(session) as socket:
        socket.send("x" * 999_999)
        assert socket.until("message")["message"]["content"].endswith("x")
        socket.send("x" * 1_000_001)
        assert socket.closed() == 1009
    assert echo.state(session)["turns"] == 1


def test_text_that_is_not_utf8_closes_the_socket(echo):
    with echo.socket() as socket:
        socket.raw(b"\xff\xff", ABNF.OPCODE_TEXT)
        assert socket.closed() == 1007


def test_a_ping_is_answered(echo):
    with echo.socket() as socket:
        socket.raw(b"are you there?", ABNF.OPCODE_PING)
        assert socket.opcode(ABNF.OPCODE_PONG) == b"are you there?"


def test_a_client_may_close(echo):
    with echo.socket() as socket:
        socket.next()
        socket.close(1000)
        assert socket.closed() == 1000


def test_what_was_accepted_runs_though_its_socket_is_gone(echo, tmp_path):
    gate, session = Gate(tmp_path), new_session()
    with echo.socket(session) as socket:
        socket.send(f"gate:{gate}")
        interaction = socket.until("accepted")["interactionId"]
    gate.open()
    assert echo.finished(interaction)["status"] == "done"
