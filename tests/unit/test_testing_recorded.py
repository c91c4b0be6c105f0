"""A test that begins where an exported session ended, and the turns of one run again on other code."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from pumice import Agent, hook, query, testing
from pumice.agents.session_file import (
    Header,
    Metadata,
    SessionWriter,
    Stand,
    Start,
    StoredInteraction,
    StoredMessage,
)
from pumice.agents.states import Kind, Status
from pumice.errors import BadSessionFile

pytest_plugins = ["pytester"]

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
HUGE = 2**80


class Desk(Agent):
    class State(Agent.State):
        orders: dict[str, int] = {}
        reminded: int = 0

    def reply(self, messages):
        if messages[-1].text == "fail":
            raise ValueError("no")
        self.state.orders[messages[-1].text] = HUGE
        return f"{len(self.state.orders)} orders, {len(messages)} messages"

    @hook("order", session=query("session"))
    def order(self, request):
        self.state.orders[request.json["id"]] = request.json["count"]
        return {"orders": len(self.state.orders)}

    def remind(self, times):
        self.state.reminded += times


class Changed(Desk):
    def reply(self, messages):
        return super().reply(messages).replace("orders", "Orders")


def stand(number: int, said: int, state: Any) -> Stand:
    return Stand(number=number, state=state, conversation=[[0, said]])


def at(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


def chat(number: int, text: str, reply: str | None, point: Stand, **fields: Any) -> StoredInteraction:
    given: dict[str, Any] = {
        "payload": {"messages": [{"role": "user", "content": text}]},
        "result": None if reply is None else {"message": {"role": "assistant", "content": reply}},
        "status": "done",
        **fields,
    }
    times: dict[str, Any] = {"accepted_at": at(number), "started_at": at(number), "finished_at": at(number)}
    done: dict[str, Any] = {"type": "interaction", "id": f"i{number}", "kind": "chat", "point": point, "attempts": 1}
    return StoredInteraction(**done, **times, **given)


def spoken(*contents: str) -> list[StoredMessage]:
    roles = ("user", "assistant")
    return [
        StoredMessage(type="message", seq=seq, role=roles[seq % 2], content=text, interaction_id="i1", created_at=START)
        for seq, text in enumerate(contents)
    ]


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """The file of a session with two chats, a turn that failed, a hook and a call that waits."""
    orders = {"pen": HUGE, "cap": HUGE}
    one, two = {"orders": {"pen": HUGE}, "reminded": 0}, {"orders": orders, "reminded": 0}
    three = {"orders": {**orders, "ink": 3}, "reminded": 0}
    writer = SessionWriter()
    request: dict[str, Any] = {"method": "POST", "path": "/", "query": [["session", "c1"]], "headers": []}
    answer: dict[str, Any] = {"status": 200, "headers": [], "json": {"orders": 3}}
    lines = [
        Header(
            pumice="session", version=1, agent="desk", session_id="c1", exported_at=at(60), created_at=START,
            updated_at=at(4), point=stand(4, 4, three),
        ),
        Metadata(type="metadata", metadata={"plan": "pro"}),
        *spoken("pen", "1 orders, 1 messages", "cap", "2 orders, 3 messages"),
        chat(1, "pen", "1 orders, 1 messages", stand(1, 2, one)),
        chat(2, "cap", "2 orders, 3 messages", stand(2, 4, two)),
        chat(3, "fail", None, stand(3, 4, two), status="failed", errors=[{"type": "ValueError", "message": "no"}]),
        StoredInteraction(
            type="interaction", id="i4", kind=Kind.HOOK, name="order", payload=request,
            body="eyJpZCI6ImluayIsImNvdW50IjozfQ==", status=Status.DONE, attempts=1, accepted_at=at(4),
            finished_at=at(4), result=answer, point=stand(4, 4, three),
        ),
        StoredInteraction(
            type="interaction", id="i5", kind=Kind.CALL, name="remind", payload={"args": [2], "kwargs": {}},
            status=Status.QUEUED, accepted_at=at(4), available_at=at(100),
        ),
    ]  # fmt: skip
    path = tmp_path / "c1.jsonl"
    path.write_bytes(b"".join([*map(writer.line, lines), writer.end()]))
    return path


def test_a_session_stands_where_its_export_ended(pumice_session, exported):
    desk = pumice_session(exported, Desk)
    assert desk.session_id == "c1"
    assert desk.now == at(4)
    assert desk.metadata == {"plan": "pro"}
    assert desk.state.orders == {"pen": HUGE, "cap": HUGE, "ink": 3}
    assert [one.text for one in desk.messages][-1] == "2 orders, 3 messages"
    assert [(one.kind, one.status, one.attempts) for one in desk.interactions] == [
        *(("chat", "done", 1), ("chat", "done", 1), ("chat", "failed", 1), ("hook", "done", 1), ("call", "queued", 0))
    ]
    assert desk.interactions[2].errors[0].message == "no"
    assert desk.interactions[0].reply.text == "1 orders, 1 messages"


def test_it_goes_on_from_there(pumice_session, exported):
    desk = pumice_session(exported, Desk)
    assert desk.chat("bag") == "4 orders, 5 messages"
    assert [one.args for one in desk.scheduled] == [(2,)]
    desk.advance(to=at(100))
    assert desk.state.reminded == 2
    with pytest.raises(ValueError, match="the session 'c1' is there already"):
        pumice_session(exported, Desk)


def test_the_same_code_leaves_the_same(exported):
    turns = testing.recording(str(exported), Desk).turns
    assert [str(turn) for turn in turns] == ["1-chat", "2-chat", "3-chat", "4-hook-order"]
    for turn in turns:
        assert turn.replay() == turn.recorded
    assert turns[2].recorded.error == "ValueError"


def test_other_code_shows_in_each_turn_on_its_own(exported):
    differing = [turn for turn in testing.recording("c1.jsonl", Changed, beside=exported).turns
                 if turn.replay() != turn.recorded]  # fmt: skip
    assert [turn.number for turn in differing] == [1, 2]
    assert differing[1].replay().result["message"]["content"] == "2 Orders, 3 messages"
    assert differing[1].replay().state == differing[1].recorded.state


def test_turns_after_a_pruned_point_are_left_out_and_those_of_a_fork_begin_where_it_did(tmp_path):
    writer = SessionWriter()
    state = {"orders": {"pen": HUGE}, "reminded": 0}
    header = Header(
        pumice="session", version=1, agent="desk", session_id="c1", exported_at=at(9), created_at=START,
        updated_at=at(4), point=stand(10, 10, state),
    )  # fmt: skip
    lines = [
        header,
        Start(type="start", point=stand(6, 2, {"orders": {}, "reminded": 0})),
        *spoken("a", "b", "pen", "1 orders, 3 messages"),
        chat(1, "pen", "1 orders, 3 messages", stand(7, 4, state)),
        chat(2, "cap", "?", Stand(number=8, conversation=[[0, 6]])),
        chat(3, "bag", "?", stand(9, 8, state)),
        chat(4, "pen", "1 orders, 5 messages", stand(10, 10, state)),
    ]
    path = tmp_path / "c1.jsonl"
    path.write_bytes(b"".join([*map(writer.line, lines), writer.end()]))
    turns = testing.recording(str(path), Desk).turns
    assert [turn.number for turn in turns] == [1, 4]
    assert turns[0].replay() == turns[0].recorded


@pytest.mark.parametrize(
    ("missing", "errors", "left"),
    [
        ({1}, [], [3]),  # the turn after it stood on what it left
        ({2}, [], [1]),
        (set(), [], [1, 2, 3]),
        ({2}, [{"code": "handler-failed", "type": "ValueError"}], [1, 3]),  # its first attempt was a turn, too
        ({2}, [{"code": "worker-lost", "type": "WorkerLost"}], [1]),
    ],
)
def test_turns_after_one_that_is_missing_are_left_out(tmp_path, missing, errors, left):
    writer = SessionWriter()
    states = [{"orders": {str(one): 1 for one in range(count)}, "reminded": 0} for count in range(4)]
    header = Header(
        pumice="session", version=1, agent="desk", session_id="c1", exported_at=at(9), created_at=START,
        updated_at=at(4), point=stand(3, 6, states[3]),
    )  # fmt: skip
    turns = [
        chat(number, "pen", "?", stand(number, 2 * number, states[number]), errors=errors if number == 3 else None)
        for number in (1, 2, 3)
        if number not in missing
    ]
    path = tmp_path / "c1.jsonl"
    path.write_bytes(b"".join([*map(writer.line, [header, *spoken(*"abcdef"), *turns]), writer.end()]))
    found = testing.recording(str(path), Desk).turns
    assert [turn.line.id for turn in found] == [f"i{number}" for number in left]


def test_the_path_is_relative_to_the_test_file(pytester, exported):
    folder = pytester.mkdir("inner")
    (folder / "c1.jsonl").write_bytes(exported.read_bytes())
    (folder / "test_inner.py").write_text(
        dedent("""
        from pumice import Agent

        class Desk(Agent):
            class State(Agent.State):
                orders: dict[str, int] = {}
            def reply(self, messages):
                return f"{len(self.state.orders)} orders"

        def test_it(pumice_session):
            assert pumice_session("c1.jsonl", Desk).chat("hi") == "3 orders"
        """)
    )
    pytester.runpytest_subprocess("inner/test_inner.py").assert_outcomes(passed=1)


def test_a_broken_file_and_a_wrong_call_say_so(pumice_session, exported):
    exported.write_bytes(exported.read_bytes()[:-10])
    with pytest.raises(BadSessionFile, match="was cut off"):
        pumice_session(exported, Desk)
    with pytest.raises(TypeError, match="name the agent's class second"):
        pumice_session("c1.jsonl")
