"""Messages as clients send them and agents see them."""

import pytest
from pydantic_ai.messages import TextPart, ToolCallPart, ToolReturnPart

from pumice import Message
from pumice.agents.context import History
from pumice.agents.messages import decode_messages
from pumice.agents.transcript import to_model
from pumice.errors import InvalidField

CALL = {"id": "c1", "type": "function", "function": {"name": "note", "arguments": '{"text": "x"}'}}


@pytest.mark.parametrize("content", [None, "", "I note it."])
def test_a_tool_transcript_is_kept_and_reaches_the_model(content):
    given = [
        {"role": "user", "content": "note it"},
        {"role": "assistant", "content": content, "tool_calls": [CALL]},
        {"role": "tool", "content": "noted", "tool_call_id": "c1"},
    ]
    read = decode_messages(given)
    assert [one.encode() for one in read] == given
    assert [Message.encoded(one.encode()) for one in read] == read
    _, response, request = to_model(read)
    call, returned = response.parts[-1], request.parts[0]
    assert isinstance(call, ToolCallPart)
    assert isinstance(returned, ToolReturnPart)
    assert (call.tool_name, call.args, call.tool_call_id) == ("note", '{"text": "x"}', "c1")
    assert response.parts[:-1] == ([TextPart(content)] if content else [])
    assert (returned.tool_name, returned.content, returned.tool_call_id) == ("note", "noted", "c1")


def test_messages_are_read():
    parts = [{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}]
    read = decode_messages(["hi", {"role": "assistant", "content": "yes"}, {"content": parts}])
    assert read == [Message("user", "hi"), Message("assistant", "yes"), Message("user", parts)]
    assert [one.text for one in read] == ["hi", "yes", "ab"]


@pytest.mark.parametrize(
    ("value", "field"),
    [
        (None, "messages"),
        ([], "messages"),
        ("hi", "messages"),
        ({"role": "user"}, "messages"),
        ([5], "messages[0]"),
        (["hi", {"role": "robot", "content": "x"}], "messages[1].role"),
        ([{"role": ["user"], "content": "x"}], "messages[0].role"),
        ([{"role": "user"}], "messages[0].content"),
        ([{"role": "user", "content": None}], "messages[0].content"),
        ([{"role": "user", "content": [{"type": "text"}, "x"]}], "messages[0].content[1]"),
        ([{"role": "assistant", "content": None}], "messages[0].content"),
        ([{"role": "user", "content": None, "tool_calls": [CALL]}], "messages[0].content"),
        ([{"role": "assistant", "content": None, "tool_calls": "note"}], "messages[0].tool_calls"),
        ([{"role": "assistant", "content": None, "tool_calls": [CALL, {"id": 5}]}], "messages[0].tool_calls[1]"),
        ([{"role": "tool", "content": "x", "tool_call_id": 5}], "messages[0].tool_call_id"),
    ],
)
def test_wrong_messages_name_the_field(value, field):
    with pytest.raises(InvalidField) as caught:
        decode_messages(value)
    document = caught.value.document()
    assert (document["status"], document["errors"][0]["field"]) == (422, field)


def test_clients_do_not_see_data():
    assert Message("assistant", "x", {"secret": 1}).encode() == {"role": "assistant", "content": "x"}


def test_history_is_loaded_when_first_looked_at():
    loads = []

    def load():
        loads.append(1)
        return [Message("user", "old")]

    history = History(load)
    longer = history.with_added([Message("user", "new")])
    assert longer[-1].text == "new"
    assert loads == []
    assert [one.text for one in longer] == ["old", "new"]
    assert (len(longer), longer[-1].text, len(longer[:1])) == (2, "new", 1)
    assert len(loads) == 1
    assert [one.text for one in longer.with_added([Message("assistant", "newer")])] == ["old", "new", "newer"]
    assert len(loads) == 1
