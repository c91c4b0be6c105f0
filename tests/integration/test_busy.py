"""A chat that comes while another is waiting or running: `on_busy`, but for "interrupt" (see test_interrupts)."""

import pytest

from tests.support.client import new_session
from tests.support.control import accept, locked, seconds, send_hook, started, wait_accepted, wait_locked_out
from tests.support.gates import Gate
from tests.support.waiting import wait_until

SUPERSEDED = "urn:pumice:problem:superseded"


def held(agent, tmp_path, session, name="gate"):
    """A chat that runs and stands at a gate."""
    gate = Gate(tmp_path, name)
    running = accept(agent, f"gate:{gate}", session)
    gate.reached()
    return gate, running


def test_queue_runs_them_in_order(control, tmp_path):
    agent, session = control.agent("plain"), new_session()
    gate, _ = held(agent, tmp_path, session)
    waiting = []
    for place, text in enumerate("bc"):
        waiting.append(started(agent.chat, text, session))
        wait_accepted(agent, session, place + 2)
    gate.open()
    assert [one.result(10).json()["message"]["content"] for one in waiting] == ["3: b", "5: c"]


def test_reject_answers_409_and_writes_nothing(control, tmp_path):
    agent, session = control.agent("rejecting"), new_session()
    gate, running = held(agent, tmp_path, session)
    answer = agent.chat("b", session)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:pumice:problem:busy")
    assert int(answer.headers["retry-after"]) >= 1
    assert len(agent.interactions(session)) == 1
    gate.open()
    agent.finished(running)
    assert agent.reply("c", session) == "3: c"


def test_reject_goes_on_at_once_after_the_reply(control):
    agent, session = control.agent("rejecting"), new_session()
    assert [agent.reply(text, session) for text in "abcde"][-1] == "9: e"


def test_reject_tells_a_socket(control, tmp_path):
    agent, session = control.agent("rejecting"), new_session()
    gate, running = held(agent, tmp_path, session)
    with agent.socket(session) as socket:
        socket.until("session")
        socket.send("b")
        assert socket.until("error")["error"]["type"] == "urn:pumice:problem:busy"
        gate.open()
        socket.until("done", interactionId=running)
        socket.send("c")
        assert socket.until("message")["message"]["content"] == "3: c"


def test_reject_still_answers_a_repeat(control, tmp_path):
    agent, session = control.agent("rejecting"), new_session()
    gate = Gate(tmp_path)
    first = accept(agent, f"gate:{gate}", session, **{"Idempotency-Key": session})
    gate.reached()
    repeat = started(agent.chat, f"gate:{gate}", session, headers={"Idempotency-Key": session})
    other = agent.chat("b", session, headers={"Idempotency-Key": f"{session}-b"})
    assert other.status_code == 409
    gate.open()
    assert repeat.result(10).json()["interactionId"] == first
    assert agent.chat("b", session, headers={"Idempotency-Key": f"{session}-b"}).status_code == 200


def test_reject_sees_what_was_accepted_while_it_waited_for_the_session(control):
    agent, session = control.agent("rejecting"), new_session()
    agent.reply("a", session)
    with locked(control, session) as connection:
        late = started(agent.chat, "b", session)
        wait_locked_out(control)
        connection.execute(
            "insert into interactions (id, agent_id, session_id, kind, name, payload, available_at, wake_at) values"
            " (pumice_uuid7(), 'rejecting', %s, 'hook', 'nudge', '{}', clock_timestamp(), now() + interval '1 hour')",
            [session],
        )
    assert late.result(10).status_code == 409


def test_a_wake_waits_for_who_holds_the_session(control):
    """So many chats at the same moment, each of which locks the session, do not keep the worker away."""
    agent, session = control.agent("plain"), new_session()
    agent.reply("a", session)
    with locked(control, session):
        waiting = started(agent.chat, "b", session)
        wait_locked_out(control)
    took, answer = seconds(lambda: waiting.result(10))
    assert answer.json()["message"]["content"] == "3: b"
    assert took < 3


def test_reject_takes_one_of_many_at_the_same_moment(control, tmp_path):
    agent, session = control.agent("rejecting"), new_session()
    gate = Gate(tmp_path)
    many = [started(agent.chat, f"gate:{gate}", session) for _ in range(8)]
    wait_until(lambda: sum(one.done() for one in many) == 7)
    gate.open()
    assert sorted(one.result(10).status_code for one in many) == [200] + [409] * 7
    assert agent.state(session)["turns"] == 1


def test_reject_counts_a_chat_that_waits_for_its_retry(control):
    agent, session = control.agent("rejecting"), new_session()
    first = accept(agent, "a", session)
    agent.finished(first)
    control.query(
        "update interactions set status = 'queued', finished_at = null, available_at = now() + interval '1 hour'"
        " where id = %s",
        first,
    )
    assert agent.chat("b", session).status_code == 409


def test_hooks_are_never_rejected(control, tmp_path):
    agent, session = control.agent("rejecting"), new_session()
    gate, _ = held(agent, tmp_path, session)
    nudge = send_hook(agent, "nudge", session)
    gate.open()
    assert agent.finished(nudge)["status"] == "done"


def test_latest_drops_what_waits(control, tmp_path):
    agent, session = control.agent("latest"), new_session()
    gate, running = held(agent, tmp_path, session)
    b = started(agent.chat, "b", session)
    wait_accepted(agent, session, 2)
    c = started(agent.chat, "c", session)
    dropped = b.result(10)
    wait_accepted(agent, session, 3)
    gate.open()
    assert c.result(10).json()["message"]["content"] == "3: c"
    newest = c.result().json()["interactionId"]
    assert (dropped.status_code, dropped.json()["type"]) == (409, SUPERSEDED)
    assert dropped.json()["supersededBy"] == newest
    document = agent.interaction(dropped.json()["interactionId"]).json()
    assert (document["status"], document["supersededBy"]) == ("skipped", newest)
    assert document["reason"] == "dropped for a newer message"
    assert agent.finished(running)["status"] == "done"
    assert agent.state(session)["turns"] == 2


def test_latest_tells_streams(control, tmp_path):
    agent, session = control.agent("latest"), new_session()
    gate, _ = held(agent, tmp_path, session)
    with agent.socket(session) as socket:
        socket.until("session")
        socket.send("b")
        b = socket.until("accepted")["interactionId"]
        stream = started(agent.events, "c", session)
        assert socket.until("error", interactionId=b)["error"]["type"] == SUPERSEDED
        d = accept(agent, "d", session)
        last = stream.result(10)[-1]
        gate.open()
        assert socket.until("message", interactionId=d)["message"]["content"] == "3: d"
    assert (last.type, last.data["error"]["type"], last.data["error"]["supersededBy"]) == ("error", SUPERSEDED, d)


def test_latest_keeps_what_is_no_chat(control, tmp_path):
    agent, session = control.agent("latest"), new_session()
    gate, _ = held(agent, tmp_path, session)
    nudge, b, c = send_hook(agent, "nudge", session), accept(agent, "b", session), accept(agent, "c", session)
    gate.open()
    assert [agent.finished(one)["status"] for one in (nudge, b, c)] == ["done", "skipped", "done"]


def test_latest_leaves_the_one_that_runs_alone_when_an_older_retry_is_due(control, tmp_path):
    agent, session = control.agent("latest"), new_session()
    older = send_hook(agent, "nudge", session)
    agent.finished(older)
    gate, running = held(agent, tmp_path, session)
    control.query(
        "update interactions set status = 'queued', available_at = now(), finished_at = null where id = %s", older
    )
    newest = accept(agent, "b", session)
    gate.open()
    assert [agent.finished(one)["status"] for one in (running, newest)] == ["done", "done"]


@pytest.mark.parametrize("name", ["latest", "merging"])
def test_many_at_the_same_moment_leave_one_that_waits(control, tmp_path, name):
    agent, session = control.agent(name), new_session()
    gate, _ = held(agent, tmp_path, session)
    many = [started(accept, agent, str(number), session) for number in range(8)]
    ids = [one.result(10) for one in many]
    gate.open()
    statuses = [agent.finished(one)["status"] for one in ids]
    assert sorted(statuses) == ["done"] + ["skipped"] * 7
    newest = ids[statuses.index("done")]
    assert newest in {agent.interaction(one).json()["supersededBy"] for one in ids if one != newest}
    assert agent.state(session)["turns"] == 2


def test_merge_makes_one_turn_of_what_waits(control, tmp_path):
    agent, session = control.agent("merging"), new_session()
    gate, _ = held(agent, tmp_path, session)
    waiting = []
    for place, text in enumerate("bcd"):
        waiting.append(started(agent.chat, text, session))
        wait_accepted(agent, session, place + 2)
    gate.open()
    answers = [one.result(10) for one in waiting]
    assert [answer.json()["message"]["content"] for answer in answers] == ["b+c+d"] * 3
    newest = answers[2].json()["interactionId"]
    rows = agent.interactions(session)
    assert [row["status"] for row in rows] == ["done", "skipped", "skipped", "done"]
    assert [row["supersededBy"] for row in rows] == [None, rows[2]["interactionId"], newest, None]
    assert {row["reason"] for row in rows[1:3]} == {"merged into a newer message"}
    texts = [one["content"] for one in agent.sessions(f"/{session}/messages").json()["messages"]]
    assert texts[2:] == ["b", "c", "d", "b+c+d"]
    assert agent.state(session)["turns"] == 2


def test_merge_streams_the_merged_reply_to_all(control, tmp_path):
    agent, session = control.agent("merging"), new_session()
    gate, _ = held(agent, tmp_path, session)
    first = started(agent.events, "b", session)
    wait_accepted(agent, session, 2)
    second = started(agent.events, "c", session)
    wait_accepted(agent, session, 3)
    gate.open()
    for stream in (first, second):
        ends = [event for event in stream.result(10) if event.type == "message"]
        assert [event.data["message"]["content"] for event in ends] == ["b+c"]
        assert stream.result()[-1].type == "done"


def test_merge_answers_repeats_with_the_merged_reply(control, tmp_path):
    agent, session = control.agent("merging"), new_session()
    gate, _ = held(agent, tmp_path, session)
    key = {"Idempotency-Key": f"{session}-b"}
    b = accept(agent, "b", session, **key)
    c = accept(agent, "c", session)
    repeat = started(agent.chat, "b", session, headers=key)
    gate.open()
    assert repeat.result(10).json()["message"]["content"] == "b+c"
    assert [agent.finished(one)["status"] for one in (b, c)] == ["skipped", "done"]
    assert agent.chat("b", session, headers=key).json()["message"]["content"] == "b+c"
    assert len(agent.interactions(session)) == 3


def test_merge_takes_a_chat_over_that_waits_for_its_retry(control):
    agent, session = control.agent("patient"), new_session()
    first = accept(agent, "fail", session)
    wait_until(lambda: agent.interaction(first).json()["errors"], what="the first attempt")
    assert agent.reply("b", session) == "fail+b"
    assert agent.interaction(first).json()["status"] == "skipped"


def test_merge_respects_a_replaced_history(control, tmp_path):
    agent, session = control.agent("merging"), new_session()
    gate, _ = held(agent, tmp_path, session)
    accept(agent, "b", session)
    c = started(agent.chat, "c", session, history="replace")
    wait_accepted(agent, session, 3)
    d = started(agent.chat, "d", session)
    wait_accepted(agent, session, 4)
    gate.open()
    assert c.result(10).json()["message"]["content"] == d.result(10).json()["message"]["content"] == "c+d"
    assert [one["content"] for one in agent.sessions(f"/{session}/messages").json()["messages"]] == ["c", "d", "c+d"]
