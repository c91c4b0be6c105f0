"""What turns do beyond answering: setup, calls, schedules, failures, limits."""

from datetime import datetime

import pytest

from tests.support.client import new_session
from tests.support.gates import Gate
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def caller(stack):
    return stack.agent("caller")


def test_setup_runs_once_in_a_sessions_life(echo):
    session = new_session()
    with echo.socket(session) as socket:
        for frame in ("a", {"b": 1}, "c"):
            socket.send(frame)
            socket.until("done")
    echo.reply("d", session)
    assert echo.state(session)["setups"] == 1


def test_a_failed_first_turn_leaves_the_setup_to_the_next(echo):
    session = new_session()
    assert echo.chat("fail", session).status_code == 500
    assert echo.state(session) == {"setups": 0, "turns": 0, "notes": []}
    echo.reply("x", session)
    assert echo.state(session) == {"setups": 1, "turns": 1, "notes": []}


def test_a_failing_setup_fails_the_turn(stack):
    faulty, session = stack.agent("faulty"), "unprepared-" + new_session()
    assert faulty.chat("fine", session).status_code == 500
    assert faulty.state(session)["turns"] == 0


def test_a_call_reaches_another_session_once(caller):
    mine, other = new_session(), new_session()
    interaction = caller.finished(caller.reply(f"call {other}", mine))
    assert (interaction["kind"], interaction["name"], interaction["sessionId"]) == ("call", "hear", other)
    assert interaction["result"] == mine.upper()
    assert caller.state(other)["heard"] == [[mine, True]]
    assert len(caller.interactions(other)) == 1


def test_a_call_to_the_session_itself_comes_after_the_turn(caller):
    session = new_session()
    caller.finished(caller.reply(f"call {session}", session))
    assert caller.state(session)["heard"] == [[session, True]]


def test_a_failed_turn_calls_nobody(caller):
    mine, other = new_session(), new_session()
    assert caller.chat(f"call-and-fail {other}", mine).status_code == 500
    assert caller.reply("x", mine) == "done"
    assert not caller.exists(other)


@pytest.mark.parametrize(("command", "delay"), [("later 0.1", 0.1), ("at", 0.05), ("later 0", 0), ("later -5", 0)])
def test_a_schedule_runs_when_it_is_due(caller, command, delay):
    session = new_session()
    done = caller.finished(caller.reply(command, session))
    waited = datetime.fromisoformat(done["startedAt"]) - datetime.fromisoformat(done["acceptedAt"])
    assert waited.total_seconds() >= delay
    assert caller.state(session)["heard"] == [command.split()[0]]


def test_what_is_scheduled_for_later_waits_and_holds_up_nothing(caller):
    session = new_session()
    scheduled = caller.reply("later 3600", session)
    assert caller.reply("x", session) == "done"
    assert caller.interaction(scheduled).json()["status"] == "queued"


def test_a_handler_may_ask_for_a_retry(caller):
    session = new_session()
    done = caller.finished(caller.reply("retry", session))
    assert (done["status"], done["attempts"], done["result"]) == ("done", 2, 2)
    assert [error["type"] for error in done["errors"]] == ["Retry"]
    assert caller.state(session)["heard"] == [2]


def test_what_is_sent_reaches_every_stream(caller):
    session = new_session()
    with caller.socket(session) as socket:
        socket.next()
        events = caller.events("send it", session)
        assert socket.until("data")["data"] == {"rest": "it"}
    assert [event.data["data"] for event in events if event.type == "data"] == [{"rest": "it"}]


@pytest.mark.parametrize("agent", ["slow", "async-slow"])
def test_a_turn_past_its_limit_fails_and_leaves_nothing(stack, agent):
    client, session = stack.agent(agent), new_session()
    answer = client.chat("x", session)
    assert (answer.status_code, answer.json()["type"]) == (504, "urn:pumice:problem:timeout")
    assert "0.3 s" in answer.json()["detail"]
    assert client.reply("quick", session) == "late"
    assert client.state(session)["turns"] == 1
    assert [one["status"] for one in client.interactions(session)] == ["failed", "done"]


def test_hooks_and_frames_have_limits_too(stack, receiver):
    session = new_session()
    assert receiver.hook("slow", params={"session": session}).status_code == 504
    assert receiver.state(session)["calls"] == 0
    with stack.agent("slow").socket() as socket:
        socket.send({"x": 1})
        assert socket.until("error")["error"]["status"] == 504


def test_turns_of_other_sessions_go_on_meanwhile(echo, tmp_path):
    gates = [Gate(tmp_path, str(number)) for number in range(3)]
    held = [echo.chat(f"gate:{gate}", headers={"Prefer": "respond-async"}).json() for gate in gates]
    for gate in gates:
        gate.reached()
    assert echo.reply("x") == "1: x"
    for gate in gates:
        gate.open()
    assert {echo.finished(one["interactionId"])["status"] for one in held} == {"done"}


def test_an_expired_temporary_session_goes_with_all_that_belongs_to_it(stack, echo):
    answer, kept = echo.chat("x").json(), new_session()
    echo.reply("x", kept)
    session = answer["sessionId"]
    stack.query("update sessions set expires_at = now() - interval '1 s' where id = any(%s)", [session, kept])
    wait_until(lambda: not echo.exists(session), 20, "the sweep")
    assert echo.interaction(answer["interactionId"]).status_code == 404
    assert stack.query("select 1 as n from messages where session_id = %s", session) == []
    assert echo.state(kept)["turns"] == 1


def test_using_a_temporary_session_prolongs_its_life(echo):
    session = echo.chat("x").json()["sessionId"]
    before = echo.sessions(f"/{session}").json()["expiresAt"]
    echo.reply("y", session)
    assert echo.sessions(f"/{session}").json()["expiresAt"] > before


def test_what_came_during_a_turn_runs_after_it_without_rescue(stack, receiver, tmp_path):
    """Its own wake finds the session leased."""
    gate, session = Gate(tmp_path), new_session()
    later = {"prefer": "respond-async"}
    receiver.hook("gate", params={"session": session}, content=str(gate), headers=later)
    gate.reached()
    second = receiver.hook("inspect", params={"session": session}, headers=later).json()["interactionId"]
    stack.query("update interactions set wake_at = now() + interval '1 hour' where id = %s returning id", second)
    receiver.hook("inspect", params={"session": new_session()})  # its wake came after that of the second
    gate.open()
    assert receiver.finished(second)["status"] == "done"
