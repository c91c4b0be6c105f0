"""Messages as clients send them and agents see them."""

import pytest

from pumice import Message
from pumice.agents.context import History
from pumice.agents.messages import decode_messages
from pumice.errors import InvalidField


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
