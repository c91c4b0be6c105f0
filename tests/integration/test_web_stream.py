"""Chats answered with server-sent events."""

import pytest

from tests.support.client import new_session
from tests.support.gates import Gate


def test_a_stream_tells_the_whole_story(echo):
    session = new_session()
    events = echo.events("hello", session)
    assert [event.type for event in events] == ["session", "accepted", "message", "done"]
    opened, accepted, message, done = (event.data for event in events)
    assert opened["sessionId"] == session
    assert message["message"] == {"role": "assistant", "content": "1: hello"}
    assert message["interactionId"] == done["interactionId"] == accepted["interactionId"]
    assert [event.data["eventId"] for event in events] == [event.id for event in events]


def test_a_streams_headers(echo):
    headers = {**echo.public, "accept": "text/event-stream"}
    answer = echo.http.post("/v1/agents/echo/chat", json={"messages": ["x"]}, headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-cache"
    assert echo.http.get(answer.headers["location"], headers=echo.public).json()["status"] == "done"


@pytest.mark.parametrize("agent", ["streamer", "async-streamer"])
def test_deltas_come_while_the_turn_runs(stack, tmp_path, agent):
    gate, client = Gate(tmp_path), stack.agent(agent)
    with client.stream(str(gate)) as events:
        delta = next(event for event in events if event.type == "delta").data
        assert (delta["content"], delta["attempt"]) == ("one ", 1)
        assert client.interaction(delta["interactionId"]).json()["status"] == "queued"
        gate.open()
        rest = list(events)
    assert [event.type for event in rest] == ["delta", "message", "done"]
    assert rest[1].data["message"]["content"] == "one two"


def test_a_failed_turn_ends_the_stream_with_a_problem(stack):
    events = stack.agent("faulty").events("raise")
    assert [event.type for event in events] == ["session", "accepted", "error"]
    problem = events[-1].data["error"]
    assert (problem["status"], problem["type"]) == (500, "urn:pumice:problem:handler-failed")
    assert problem["interactionId"] == events[1].data["interactionId"]
    assert "secret is" not in str(events)


def test_a_bad_stream_request_is_a_plain_problem(echo):
    headers = {**echo.public, "accept": "text/event-stream"}
    answer = echo.http.post("/v1/chat", json={"messages": 1}, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_a_repeated_stream_gets_the_first_ones_answer(echo):
    session = new_session()
    first = echo.events("hello", session, idempotency_key=session)
    again = echo.events("hello", session, idempotency_key=session)
    assert [event.type for event in again] == ["session", "accepted", "message", "done"]
    assert [event.data.get("message") for event in again] == [event.data.get("message") for event in first]
    assert echo.state(session)["turns"] == 1


def test_a_repeat_of_a_chat_without_session_streams_the_first_ones(echo, tmp_path):
    gate, key = Gate(tmp_path), new_session()
    with echo.stream(f"gate:{gate}", idempotency_key=key) as first:
        opened = next(first).data
        gate.reached()
        with echo.stream(f"gate:{gate}", idempotency_key=key) as again:
            assert next(again).data["sessionId"] == opened["sessionId"]
            gate.open()
            assert [event.type for event in again] == ["accepted", "message", "done"]


def test_a_client_that_goes_away_does_not_stop_its_turn(echo, tmp_path):
    gate, session = Gate(tmp_path), new_session()
    with echo.stream(f"gate:{gate}", session) as events:
        interaction = [next(events), next(events)][1].data["interactionId"]
    gate.open()
    assert echo.finished(interaction)["status"] == "done"
