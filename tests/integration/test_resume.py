"""A client that comes back to its stream: the same POST with `Last-Event-ID`, as fetch-event-source sends it."""

import pytest

from tests.support.client import new_session
from tests.support.gates import Gate


def types(events):
    return [event.type for event in events]


@pytest.fixture
def streamer(stack):
    return stack.agent("streamer")


@pytest.mark.parametrize("seen", [1, 2, 3])
def test_it_goes_on_with_its_chat_and_runs_nothing(streamer, tmp_path, seen):
    gate, session = Gate(tmp_path), new_session()
    with streamer.stream(str(gate), session) as events:
        last = [next(events) for _ in range(seen)][-1].id
        gate.reached()
    with streamer.stream(str(gate), session, last_event_id=last) as events:
        assert next(events).data["sessionId"] == session
        gate.open()
        rest = list(events)
    assert types(rest) == ["accepted", *["delta"] * min(4 - seen, 2), "message", "done"]
    assert rest[-2].data["message"]["content"] == "one two"
    assert len(streamer.interactions(session)) == 1


def test_without_a_session_id_it_finds_the_temporary_one(streamer, tmp_path):
    gate = Gate(tmp_path)
    with streamer.stream(str(gate)) as events:
        opened, accepted = next(events), next(events)
        gate.reached()
    with streamer.stream(str(gate), last_event_id=accepted.id) as events:
        assert next(events).data["sessionId"] == opened.data["sessionId"]
        gate.open()
        assert types(events) == ["accepted", "delta", "delta", "message", "done"]


def test_what_it_has_got_comes_only_once(echo):
    session = new_session()
    seen = echo.events("hello", session)
    for place, rest in enumerate((["message", "done"], ["message", "done"], ["done"], [])):
        again = echo.events("hello", session, last_event_id=seen[place].id)
        assert types(again) == ["session", "accepted", *rest]
    assert echo.state(session)["turns"] == 1


def test_the_event_id_may_come_from_a_socket(echo):
    session = new_session()
    with echo.socket(session) as socket:
        socket.send("hello")
        message = socket.until("message")
    again = echo.events("hello", session, last_event_id=message["eventId"])
    assert types(again) == ["session", "accepted", "done"]
    assert echo.state(session)["turns"] == 1


@pytest.mark.parametrize("cursor", ["nonsense", "1-1", "99999999999999-0", "99999999999999999999-0", '1-1"x', "0-0~x"])
def test_an_unusable_one_is_told_and_runs_nothing(echo, cursor):
    session = new_session()
    echo.events("before", session)
    events = echo.events("now", session, last_event_id=cursor)
    assert types(events) == ["error"]
    assert events[0].data["error"]["type"] == "urn:pumice:problem:unusable-cursor"
    assert echo.state(session)["turns"] == 1


def test_the_chat_of_another_session_is_not_found(echo):
    session = new_session()
    theirs = echo.events("private", new_session())[1].id
    assert types(echo.events("now", session, last_event_id=theirs)) == ["error"]
    assert not echo.exists(session)
