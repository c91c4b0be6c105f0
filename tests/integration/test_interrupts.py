"""`on_busy = "interrupt"`: a newer chat ends the one that runs, which keeps what it had streamed."""

import pytest

from tests.support.client import new_session
from tests.support.control import accept, messages, send_hook, started, wait_accepted
from tests.support.gates import Gate

SUPERSEDED = "urn:pumice:problem:superseded"
STREAMERS = ["chunks", "async-chunks", "mixed-chunks"]


@pytest.mark.parametrize("name", STREAMERS)
def test_what_was_streamed_is_kept(control, tmp_path, name):
    agent, gate, session = control.agent(name), Gate(tmp_path), new_session()
    with agent.socket(session) as socket:
        socket.until("session")
        old = accept(agent, f"gate:{gate}", session)
        socket.until("delta", interactionId=old)
        gate.reached()
        new = started(agent.chat, "b", session)
        wait_accepted(agent, session, 2)
        gate.open()
        ended = socket.until("error", interactionId=old)
        newest = new.result(10).json()
        socket.until("done", interactionId=newest["interactionId"])
        deltas = [one["content"] for one in socket.seen if one["type"] == "delta" and one["interactionId"] == old]
    assert deltas == ["one "]
    assert newest["message"]["content"] == "one two (3)"
    assert (ended["error"]["type"], ended["error"]["supersededBy"]) == (SUPERSEDED, newest["interactionId"])
    said = [("user", f"gate:{gate}"), ("assistant", "one "), ("user", "b"), ("assistant", "one two (3)")]
    assert messages(agent, session) == said
    shown = agent.sessions(f"/{session}/messages").json()["messages"]
    assert [one.get("interrupted", False) for one in shown] == [False, True, False, False]
    assert agent.state(session) == {"turns": 1}


@pytest.mark.parametrize("name", STREAMERS)
def test_the_waiting_client_is_told_by_whom(control, tmp_path, name):
    agent, gate, session = control.agent(name), Gate(tmp_path), new_session()
    old = started(agent.chat, f"gate:{gate}", session)
    gate.reached()
    new = accept(agent, "b", session)
    gate.open()
    answer = old.result(10)
    assert (answer.status_code, answer.json()["type"], answer.json()["supersededBy"]) == (409, SUPERSEDED, new)
    document = agent.interaction(answer.json()["interactionId"]).json()
    assert (document["status"], document["supersededBy"]) == ("cancelled", new)
    assert document["reason"] == "interrupted by a newer message"
    assert agent.finished(new)["status"] == "done"


def test_an_async_one_ends_at_once(control, tmp_path):
    agent, gate, session = control.agent("async-chunks"), Gate(tmp_path), new_session()
    accept(agent, f"gate:{gate}", session)
    gate.reached()
    assert agent.reply("b", session) == "one two (3)"
    gate.open()


def test_one_that_does_not_stream_runs_to_its_end(control, tmp_path):
    agent, gate, session = control.agent("interrupted"), Gate(tmp_path), new_session()
    old = accept(agent, f"gate:{gate}", session)
    gate.reached()
    new = started(agent.chat, "b", session)
    wait_accepted(agent, session, 2)
    gate.open()
    assert agent.finished(old)["status"] == "done"
    assert new.result(10).json()["message"]["content"] == "3: b"


def test_each_newer_one_ends_those_before_it(control, tmp_path):
    agent, session = control.agent("chunks"), new_session()
    gates = [Gate(tmp_path, name) for name in ("a", "b")]
    a = accept(agent, f"gate:{gates[0]}", session)
    gates[0].reached()
    b = accept(agent, f"gate:{gates[1]}", session)
    c = accept(agent, "c", session)
    gates[0].open()
    assert [agent.finished(one)["status"] for one in (a, b, c)] == ["cancelled", "cancelled", "done"]
    by = [agent.interaction(one).json()["supersededBy"] for one in (a, b)]
    assert by[0] in {b, c}
    assert by[1] == c
    assert [text for _, text in messages(agent, session)][-3:] == [f"gate:{gates[1]}", "c", "one two (4)"]


def test_many_at_the_same_moment_end_in_one_reply_at_least(control):
    agent, session = control.agent("async-chunks"), new_session()
    many = [started(accept, agent, str(number), session) for number in range(8)]
    rows = [agent.finished(one.result(10)) for one in many]
    assert {row["status"] for row in rows} <= {"done", "cancelled"}
    last = agent.interactions(session)[-1]
    assert last["status"] == "done"
    said = [text for role, text in messages(agent, session) if role == "user"]
    assert sorted(said) == [str(number) for number in range(8)]


def test_a_repeat_interrupts_nothing(control, tmp_path):
    agent, gate, session = control.agent("async-chunks"), Gate(tmp_path), new_session()
    key = {"Idempotency-Key": session}
    old = accept(agent, f"gate:{gate}", session, **key)
    gate.reached()
    repeat = started(agent.chat, f"gate:{gate}", session, headers=key)
    assert accept(agent, f"gate:{gate}", session, **key) == old
    gate.open()
    assert repeat.result(10).json()["message"]["content"] == "one two (1)"
    assert len(agent.interactions(session)) == 1


def test_hooks_interrupt_nothing_and_are_not_interrupted(control, tmp_path):
    agent, gate, session = control.agent("rejecting"), Gate(tmp_path), new_session()
    hook = send_hook(agent, "nudge", session, gate=gate)
    gate.reached()
    assert agent.chat("b", session).status_code == 409
    gate.open()
    assert agent.finished(hook)["status"] == "done"
