"""How a turn that ran again is compared with what was recorded."""

from typing import Any

import pytest

from pumice.agents.comparison import Ran, differences

REPLY = {"message": {"role": "assistant", "content": "one"}}


def whats(one: Ran, other: Ran, *ignored: str) -> list[Any]:
    return [found["what"] for found in differences(one, other, ignored)]


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"status": "failed"}, ["status"]),
        ({"result": {"message": {"role": "assistant", "content": "two"}}}, ["reply"]),
        ({"state": {"a": 2, "b": 1}}, ["state"]),
        ({"state": {"a": 1.0, "b": 1}}, ["state"]),
        ({"state": {"a": True, "b": 1}}, ["state"]),
        ({"state": {"b": 1, "a": 1}}, []),
        ({"effects": [{"kind": "call", "method": "m"}]}, ["calls"]),
        ({"effects": [{"kind": "send", "data": 1}]}, ["sends"]),
        ({"effects": [{"kind": "schedule", "method": "m"}]}, ["schedules"]),
        ({"error": {"type": "ValueError", "message": "no", "traceback": "…"}}, ["error"]),
        ({"usage": {"requests": 1}}, ["usage"]),
    ],
)
def test_each_difference_is_told_by_its_name(changed, what):
    recorded: dict[str, Any] = {"status": "done", "result": REPLY, "state": {"a": 1, "b": 1}}
    assert whats(Ran(**recorded), Ran(**recorded | changed)) == what


def test_a_reply_is_told_as_its_content():
    other = {"message": {"role": "assistant", "content": "two"}}
    [found] = differences(Ran("done", REPLY), Ran("done", other))
    assert found == {"what": "reply", "recorded": "one", "candidate": "two"}


def test_what_an_author_leaves_out_is_not_compared():
    one = Ran("done", REPLY, state={"at": 1, "rows": [{"at": 1, "n": 1}], "by": {"x": {"at": 1}}})
    other = Ran("done", REPLY, state={"at": 2, "rows": [{"at": 2, "n": 1}], "by": {"x": {"at": 2}}})
    assert whats(one, other, "state.at", "state.rows.*.at") == ["state"]
    assert whats(one, other, "state.at", "state.rows.*.at", "state.by.*.at") == []
    assert whats(one, other, "state") == []
    assert whats(one, Ran("done", REPLY, state={**other.state, "rows": []}), "state.at", "state.by") == ["state"]
