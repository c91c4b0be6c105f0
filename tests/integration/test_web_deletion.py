"""Deleting a session over HTTP: whoever waits for it, anywhere, is told at once, and its turn is stopped."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from tests.support.client import AgentClient, new_session
from tests.support.control import accept, locked, started
from tests.support.gates import Gate
from tests.support.stack import Stack
from tests.support.waiting import wait_until

CANCELLED = "urn:pumice:problem:cancelled"


@pytest.fixture
def hanging(control: Stack) -> AgentClient:
    return control.agent("hanging")


@pytest.fixture
def plain(control: Stack) -> AgentClient:
    return control.agent("plain")


def delete(agent: AgentClient, session: str) -> None:
    assert agent.sessions(f"/{session}", "DELETE").status_code == 204


def test_a_running_turn_is_stopped(control, hanging, tmp_path):
    session = new_session()
    running = accept(hanging, f"folder:{tmp_path}", session)
    wait_until((tmp_path / "began").exists, what="the turn's beginning")
    delete(hanging, session)
    wait_until((tmp_path / "cancelled").exists, 5, "the handler's CancelledError, sooner than by its lease")
    seen = hanging.interaction(running).json()
    assert (seen["status"], seen["reasonCode"]) == ("cancelled", "deleted")
    assert not hanging.exists(session)


def until_gone(socket: Iterable[dict[str, Any]], gone: str) -> Iterator[dict[str, Any]]:
    """A socket's frames before the one that says that its session is gone."""
    for frame in socket:
        if frame["type"] == "error" and frame["error"]["type"] == gone:
            return
        yield frame


def test_everybody_who_waits_is_told_at_once(control, plain, tmp_path):
    """On the front that deletes, on another one, and in a stream."""
    gate, session = Gate(tmp_path), new_session()
    accept(plain, f"gate:{gate}", session)
    gate.reached()
    with control.front() as other, plain.socket(session) as socket, plain.stream("s", session) as stream:
        there = control.agent("plain", other.url)
        waiting = [
            started(plain.chat, "here", session),
            started(there.chat, "there", session),
        ]
        wait_until(lambda: len(plain.interactions(session)) == 4, what="four chats")
        chats = {one["interactionId"] for one in plain.interactions(session)}
        delete(plain, session)
        for one in waiting:
            answer = one.result(10)
            assert (answer.status_code, answer.json()["type"]) == (409, CANCELLED)
        assert [event.data["error"]["type"] for event in stream if event.type == "error"] == [CANCELLED]
        gone = "urn:pumice:problem:unknown-session"
        errors = [frame for frame in until_gone(socket, gone) if frame["type"] == "error"]
        assert {frame["interactionId"] for frame in errors if frame["error"]["type"] == CANCELLED} == chats
    gate.open()
    assert plain.reply("on", session) == "1: on"
    assert [one["status"] for one in plain.interactions(session)] == ["done"]


def test_a_session_that_others_hold_is_busy(control, plain):
    session = new_session()
    plain.reply("x", session)
    with locked(control, session):
        answer = plain.sessions(f"/{session}", "DELETE")
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:pumice:problem:store-busy")
        assert answer.headers["retry-after"]
        changed = plain.sessions(f"/{session}", "PATCH", json={"metadata": {"a": 1}})
        assert (changed.status_code, changed.json()["type"]) == (503, "urn:pumice:problem:store-busy")
        assert plain.http.get("/readyz").status_code == 200
    delete(plain, session)


def test_the_id_of_a_temporary_session_makes_a_temporary_session_again(control, plain):
    session = plain.chat("x").json()["sessionId"]
    delete(plain, session)
    assert plain.reply("x", session) == "1: x"
    assert plain.sessions(f"/{session}").json()["temporary"]
    delete(plain, session)
    with plain.socket(session) as socket:
        socket.next()
        assert plain.sessions(f"/{session}").json()["temporary"]
    refused = plain.sessions(method="POST", json={"sessionId": session})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "sessionId")
