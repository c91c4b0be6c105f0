"""`GET …/events`: a session's stream for a client that sends nothing, with what the user said in another tab."""

import contextlib

import pytest

from tests.support.client import new_session
from tests.support.gates import Gate
from tests.support.sse import read_events

ASYNC = {"Prefer": "respond-async"}


@contextlib.contextmanager
def watching(client, session, headers=None, **query):
    path = f"/v1/agents/{client.id}/sessions/{session}/events"
    with client.http.stream("GET", path, headers={**client.public, **(headers or {})}, params=query) as answer:
        assert answer.status_code == 200, answer.read()
        events = read_events(answer.iter_lines())
        assert next(events).type == "session"
        yield events


def until_done(events):
    found = []
    for event in events:
        found.append(event.data)
        if event.type in {"done", "error"}:
            return found
    raise AssertionError


def told(events):
    return [(one["message"]["role"], one["message"]["content"]) for one in events if one["type"] == "message"]


@pytest.fixture
def session(echo):
    """A session that is there."""
    name = new_session()
    echo.reply("first", name)
    return name


def test_another_tab_sees_the_question_and_the_answer(echo, session):
    with watching(echo, session) as events:
        interaction = echo.chat("hello", session).json()["interactionId"]
        found = until_done(events)
    assert told(found) == [("user", "hello"), ("assistant", "3: hello")]
    assert {one["interactionId"] for one in found} == {interaction}


def test_so_does_another_socket_and_not_the_one_that_asked(echo, session):
    with echo.socket(session) as asking, echo.socket(session) as other:
        other.next()
        asking.send("hello")
        asking.until("done")
        other.until("done")
    assert told(asking.seen) == [("assistant", "3: hello")]
    assert told(other.seen) == [("user", "hello"), ("assistant", "3: hello")]


def test_the_question_comes_before_what_is_streamed(stack, tmp_path):
    gate, streamer, session = Gate(tmp_path), stack.agent("streamer"), new_session()
    with streamer.socket(session) as socket:
        socket.next()
        streamer.chat(str(gate), session, headers=ASYNC)
        gate.open()
        socket.until("done")
    kinds = [(one["type"], one.get("message", {}).get("role")) for one in socket.seen[1:]]
    assert kinds == [("message", "user"), ("delta", None), ("delta", None), ("message", "assistant"), ("done", None)]


def test_the_question_of_a_slow_turn_comes_before_its_end(echo, session, tmp_path):
    gate = Gate(tmp_path)
    with watching(echo, session) as events:
        echo.chat(f"gate:{gate}", session, headers=ASYNC)
        assert next(events).data["message"]["role"] == "user"
        gate.open()
        assert [role for role, _ in told(until_done(events))] == ["assistant"]


@pytest.mark.parametrize("given", ["header", "lastEventId", "last_event_id"])
def test_it_resumes(echo, session, given):
    with watching(echo, session) as events:
        echo.reply("seen", session)
        last = until_done(events)[-1]["eventId"]
    echo.reply("missed", session)
    headers, query = ({"last-event-id": last}, {}) if given == "header" else ({}, {given: last})
    with watching(echo, session, headers, **query) as events:
        assert told(until_done(events)) == [("user", "missed"), ("assistant", "5: missed")]
        echo.reply("live", session)
        assert told(until_done(events)) == [("user", "live"), ("assistant", "7: live")]


def test_a_long_backlog_comes_whole_and_in_order(echo, session):
    with watching(echo, session) as events:
        echo.reply("0", session)
        last = until_done(events)[-1]["eventId"]
    for number in range(1, 120):
        echo.chat(f"{number}", session, headers=ASYNC)
    with watching(echo, session, {"last-event-id": last}) as events:
        said = [text for _ in range(119) for role, text in told(until_done(events)) if role == "user"]
    assert said == [f"{number}" for number in range(1, 120)]


def test_an_unusable_cursor_is_told_and_then_it_is_live(echo, session):
    with watching(echo, session, {"last-event-id": "1-1"}) as events:
        assert next(events).data["error"]["type"] == "urn:pumice:problem:unusable-cursor"
        echo.reply("live", session)
        assert told(until_done(events)) == [("user", "live"), ("assistant", "3: live")]


def test_watching_makes_no_session(echo):
    name = new_session()
    answer = echo.http.get(f"/v1/agents/echo/sessions/{name}/events", headers=echo.public)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:pumice:problem:unknown-session")
    assert not echo.exists(name)


def test_a_head_request_is_answered_at_once(echo, session):
    answer = echo.http.head(f"/v1/agents/echo/sessions/{session}/events", headers=echo.public)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


def test_a_stop_ends_what_runs(echo, session, tmp_path):
    gate = Gate(tmp_path)
    with echo.socket(session) as socket:
        socket.send(f"gate:{gate}")
        interaction = socket.until("accepted")["interactionId"]
        gate.reached()
        answer = echo.post(f"/v1/agents/echo/sessions/{session}/stop")
        assert answer.json() == {"cancelled": [interaction]}
        assert socket.until("error")["error"]["type"] == "urn:pumice:problem:cancelled"
    gate.open()


def test_so_does_a_sockets_stop(echo, session, tmp_path):
    gate = Gate(tmp_path)
    with echo.socket(session) as socket:
        socket.send(f"gate:{gate}")
        socket.until("accepted")
        gate.reached()
        socket.send({"type": "stop"})
        assert socket.until("error")["error"]["type"] == "urn:pumice:problem:cancelled"
        gate.open()
        socket.send("again")
        assert socket.until("message")["message"]["content"] == "3: again"
