"""One turn: what it keeps, what it discards, what it refuses."""

import gc
import json
import weakref
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pumice import Agent, Message, Request, hook, job
from pumice.agents.context import TurnContext, is_uuid
from tests.support.turns import bench


class Counter(Agent):
    class State(Agent.State):
        total: int = 0
        tags: dict[str, str] = {}
        set_up: int = 0

    def setup(self):
        self.state.set_up += 1

    def reply(self, messages):
        self.state.total += 1
        return f"{self.state.total}: {messages[-1].text}"

    def receive(self, data):
        return {"echo": data}

    def add(self, number, fail=False):
        self.state.total += number
        self.state.tags[str(number)] = "seen"
        self.schedule(60, "add", 1)
        self.call("other", "add", number)
        self.send({"added": number})
        if fail:
            raise ValueError("no more")
        return self.state.total

    @hook("add")
    def hooked(self, request):
        self.state.total += request.json["n"]
        return {"total": self.state.total}, 201, {"X-Total": str(self.state.total)}

    @job("0 9 * * *")
    def remind(self):
        return self.interaction.scheduled_for

    @staticmethod
    @job("0 0 * * *")
    def nightly():
        return "good night"

    @staticmethod
    @hook("ping")
    def ping(request):
        return request.text


def test_a_chat_changes_state_and_history():
    session = bench(Counter)
    first = session.chat("hello")
    assert json.loads(first.result or "") == {"message": {"role": "assistant", "content": "1: hello"}}
    assert first.messages == [Message("user", "hello"), Message("assistant", "1: hello")]
    assert session.state == {"total": 1, "tags": {}, "set_up": 1}
    session.chat("again")
    assert [one.text for one in session.live.history] == ["hello", "1: hello", "again", "2: again"]
    assert session.state["set_up"] == 1


def test_history_can_be_replaced():
    session = bench(Counter, messages=(Message("user", "old"),))
    outcome = session.chat("a", "b", history="replace")
    assert outcome.replaces_history
    assert [one.text for one in session.live.history] == ["a", "b", "1: b"]


def test_a_failed_turn_leaves_nothing():
    session = bench(Counter)
    session.call("add", 1)
    before = session.live.state
    outcome = session.call("add", 5, True)
    assert (outcome.status, outcome.state, outcome.calls, outcome.messages) == ("failed", None, [], [])
    assert outcome.failure is not None
    assert (outcome.failure.type, outcome.failure.message) == ("ValueError", "no more")
    assert "no more" in outcome.failure.traceback
    assert session.live.state == before
    assert json.loads(session.call("add", 1).result or "") == {"value": 2}


def test_a_failed_first_turn_is_set_up_again():
    session = bench(Counter)
    session.call("add", 5, True)
    assert session.live.is_new
    session.call("add", 1)
    assert session.state["set_up"] == 1


def test_an_unchanged_state_is_not_written_again():
    stored = '{"tags": {"b": "1", "a": "2"}, "total": 3, "set_up": 1}'  # as jsonb prints it
    session = bench(Counter, state=stored)
    assert session.run("socket", None, {"data": 1}).state is None
    assert session.call("add", 1).state is not None
    assert session.run("socket", None, {"data": 1}).state is None


def test_a_socket_frame_is_answered_with_data():
    session = bench(Counter)
    outcome = session.run("socket", None, {"data": {"x": 1}})
    assert json.loads(outcome.result or "") == {"value": {"echo": {"x": 1}}}
    assert session.of("data") == [{"echo": {"x": 1}}]


def test_an_agent_without_receive_refuses_frames():
    class Deaf(Agent): ...

    outcome = bench(Deaf).run("socket", None, {"data": 1})
    assert outcome.failure is not None
    assert outcome.failure.type == "NotImplementedError"


def test_a_hook_answers():
    outcome = bench(Counter).hook("add", b'{"n": 4}')
    assert json.loads(outcome.result or "") == {
        "status": 201,
        "headers": [["X-Total", "4"]],
        "json": {"total": 4},
    }


def test_a_job_knows_its_due_time():
    due = datetime(2026, 3, 1, 9, tzinfo=UTC)
    outcome = bench(Counter).run("job", "remind", scheduled_for=due)
    assert json.loads(outcome.result or "") == {"value": "2026-03-01T09:00:00+00:00"}


@pytest.mark.parametrize(("kind", "name"), [("job", "nightly"), ("hook", "ping")])
def test_a_static_handler_runs_without_an_instance(kind, name):
    session = bench(Counter)
    payload = Request(body=b"pong").encode() if kind == "hook" else {}
    outcome = session.run(kind, name, payload, body=b"pong")
    assert (outcome.status, outcome.state, session.live.is_new) == ("done", None, True)
    assert ("good night" if kind == "job" else "pong") in (outcome.result or "")


@pytest.mark.parametrize(("kind", "name"), [("hook", "gone"), ("call", "gone")])
def test_a_handler_that_the_class_no_longer_has_is_a_failure(kind, name):
    outcome = bench(Counter).run(kind, name)
    assert outcome.status == "failed"
    assert outcome.failure is not None
    assert "gone" in outcome.failure.message


def test_a_run_of_a_job_that_the_class_no_longer_has_is_skipped():
    outcome = bench(Counter).run("job", "gone")
    assert (outcome.status, outcome.reason_code, outcome.failure) == ("skipped", "removed", None)


def test_calls_leave_with_the_turn():
    outcome = bench(Counter).call("add", 3)
    later, other = outcome.calls
    assert (later.session_id, later.method, later.delay, json.loads(later.payload)) == (
        "s1",
        "add",
        60,
        {"args": [1], "kwargs": {}},
    )
    assert (other.session_id, other.delay, json.loads(other.payload)["args"]) == ("other", 0, [3])
    assert is_uuid(later.id)
    assert later.id != other.id


@given(st.lists(st.tuples(st.integers(-5, 5), st.booleans()), max_size=12))
def test_turns_add_up_to_those_that_succeed(turns):
    session = bench(Counter)
    expected, tags = 0, set()
    for number, fails in turns:
        outcome = session.call("add", number, fails)
        assert outcome.status == ("failed" if fails else "done")
        if not fails:
            expected += number
            tags.add(str(number))
        assert len(outcome.calls) == (0 if fails else 2)
    state = session.state or {"total": 0, "tags": {}}
    assert (state["total"], set(state["tags"])) == (expected, tags)


class Run:
    """What a worker's turn leads to, and is led to from."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.turn = TurnContext(emit=lambda kind, _: self.told.append(kind))


def test_a_turn_that_is_over_is_freed_without_a_search_for_cycles():
    run = Run()
    left = weakref.ref(run)
    gc.disable()
    try:
        run.turn.close()
        del run
        assert left() is None
    finally:
        gc.enable()
