"""Cancelling a session's turns: what runs ends or is refused, the state stays, whoever waits is told."""

from pathlib import Path

import pytest

from pumice.sessions.cancel import cancel as cancel_in_store
from pumice.sessions.connections import StoreConnection
from pumice.settings import Settings
from tests.support.client import AgentClient, new_session
from tests.support.control import accept, cancel, messages, seconds, send_hook, started, wait_accepted
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


def began(folder: Path) -> None:
    wait_until((folder / "began").exists, what="the turn's beginning")


def test_an_async_turn_is_really_cancelled(hanging, tmp_path):
    session = new_session()
    hanging.reply("hi", session)
    running = accept(hanging, f"folder:{tmp_path}", session)
    began(tmp_path)
    assert cancel(hanging, session) == [running]
    wait_until((tmp_path / "cancelled").exists, 5, "the handler's CancelledError, sooner than by its lease")
    assert hanging.state(session) == {"turns": 1}
    assert messages(hanging, session) == [("user", "hi"), ("assistant", "turn 1")]
    assert hanging.reply("on", session) == "turn 2"


def test_the_commit_is_refused_also_when_no_order_reaches_the_worker(control, plain, tmp_path):
    gate, session = Gate(tmp_path), new_session()
    running = accept(plain, f"gate:{gate}", session)
    gate.reached()
    store = StoreConnection(Settings.from_env({"DATABASE_URL": control.database_url}))
    done = cancel_in_store(store, "plain", session, queued=False)
    store.close()
    assert done is not None
    assert [one.id for one, _ in done.interactions] == [running]
    gate.open()
    assert plain.reply("on", session) == "1: on"
    assert plain.state(session)["turns"] == 1
    assert plain.interaction(running).json()["reason"] == "cancelled through the API"


def test_a_sync_turn_holds_up_nothing_and_changes_nothing(plain, tmp_path):
    gate, session = Gate(tmp_path), new_session()
    running = accept(plain, f"gate:{gate}", session)
    gate.reached()
    assert cancel(plain, session) == [running]
    assert plain.reply("on", session) == "1: on"
    gate.open()
    assert plain.reply("and on", session) == "3: and on"
    assert plain.state(session)["turns"] == 2
    document = plain.interaction(running).json()
    assert (document["status"], document["reason"]) == ("cancelled", "cancelled through the API")
    assert document["acceptedAt"] <= document["wokenAt"] <= document["finishedAt"]


def test_the_waiting_client_gets_409(hanging, tmp_path):
    session = new_session()
    waiting = started(hanging.chat, f"folder:{tmp_path}", session)
    began(tmp_path)
    [running] = cancel(hanging, session)
    took, answer = seconds(lambda: waiting.result(10))
    assert took < 1
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    document = answer.json()
    assert (document["type"], document["interactionId"]) == (CANCELLED, running)
    assert document["detail"] == "cancelled through the API"


def test_streams_get_an_error_event(hanging, tmp_path):
    session = new_session()
    with hanging.socket(session) as socket:
        socket.until("session")
        events = started(hanging.events, f"folder:{tmp_path}", session)
        began(tmp_path)
        [running] = cancel(hanging, session)
        frame = socket.until("error", interactionId=running)
        last = events.result(10)[-1]
    assert frame["error"]["type"] == CANCELLED
    assert (last.type, last.data["interactionId"], last.data["error"]["type"]) == ("error", running, CANCELLED)


def test_what_waits_goes_on(hanging, tmp_path):
    session = new_session()
    running = accept(hanging, f"folder:{tmp_path}", session)
    began(tmp_path)
    waiting = started(hanging.chat, "next", session)
    wait_accepted(hanging, session, 2)
    assert cancel(hanging, session, queued=False) == [running]
    assert waiting.result(10).json()["message"]["content"] == "turn 1"


def test_what_waits_is_cancelled_on_request(hanging, tmp_path):
    session = new_session()
    running = accept(hanging, f"folder:{tmp_path}", session)
    began(tmp_path)
    waiting = started(hanging.chat, "next", session)
    wait_accepted(hanging, session, 2)
    cancelled = cancel(hanging, session, queued=True)
    assert cancelled[0] == running
    answer = waiting.result(10)
    assert (answer.status_code, answer.json()["interactionId"]) == (409, cancelled[1])
    assert [one["status"] for one in hanging.interactions(session)] == ["cancelled"] * 2
    assert hanging.reply("on", session) == "turn 1"


def test_a_batch_is_cut_at_the_turn_that_runs(plain, tmp_path):
    """The turns before it keep their effects, those after it run."""
    gates, session = [Gate(tmp_path, name) for name in ("a", "b")], new_session()
    ids = [accept(plain, text, session) for text in (f"gate:{gates[0]}", "x", f"gate:{gates[1]}", "y")]
    gates[0].open()
    gates[1].reached()
    plain.finished(ids[1])
    assert cancel(plain, session) == [ids[2]]
    assert plain.finished(ids[3])["status"] == "done"
    gates[1].open()
    assert plain.reply("z", session) == "7: z"
    assert plain.state(session)["turns"] == 4


def test_the_one_that_runs_is_cancelled_not_an_older_one_whose_retry_is_due(control, tmp_path):
    agent, gate, session = control.agent("rejecting"), Gate(tmp_path), new_session()
    older = send_hook(agent, "nudge", session, gate="/nowhere")
    agent.finished(older)
    running = send_hook(agent, "nudge", session, gate=gate)
    gate.reached()
    control.query(
        "update interactions set status = 'queued', available_at = now(), finished_at = null where id = %s", older
    )
    assert cancel(agent, session) == [running]
    gate.open()
    assert agent.finished(older)["attempts"] == 2


def test_cancelling_frees_a_session_that_a_retry_blocks(control):
    flaky, session = control.agent("flaky"), new_session()
    first = send_hook(flaky, "long-blocking", session, times=1)
    wait_until(lambda: flaky.interaction(first).json()["errors"], what="the first attempt")
    assert cancel(flaky, session) == []
    assert cancel(flaky, session, queued=True) == [first]
    assert flaky.hook("plain", params={"session": session}).status_code == 200


def test_with_nothing_to_cancel_nothing_happens(plain):
    session = new_session()
    plain.reply("hi", session)
    assert (cancel(plain, session), cancel(plain, session, queued=True)) == ([], [])
    assert plain.reply("on", session) == "3: on"


def test_it_needs_the_agents_secret_key_and_a_session(plain, hanging):
    session = new_session()
    plain.reply("hi", session)
    path = f"/v1/agents/plain/sessions/{session}/cancel"
    assert plain.http.post(path, headers=plain.public).status_code == 403
    assert plain.http.post(path, headers=hanging.secret).status_code == 401
    assert plain.sessions("/none/cancel", "POST").status_code == 404
    assert plain.sessions(f"/{session}/cancel", "POST", json={"queued": "all"}).status_code == 422


def test_two_who_cancel_at_once_cancel_once(hanging, tmp_path):
    session = new_session()
    running = accept(hanging, f"folder:{tmp_path}", session)
    began(tmp_path)
    both = [started(cancel, hanging, session) for _ in range(2)]
    assert sorted(one.result(10) for one in both) == [[], [running]]
    assert hanging.reply("on", session) == "turn 1"
