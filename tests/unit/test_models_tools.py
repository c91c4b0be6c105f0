"""Language models' tools, over the wire against a server on loopback that speaks OpenAI's API."""

import asyncio
import json
import threading

import pytest

from examples.assistant import Assistant
from pumice import Agent, testing, tool
from tests.support.openai_server import INPUT_TOKENS, OUTPUT_TOKENS, ToolCall


def test_tools_are_offered_called_and_change_the_state(server):
    server.replies(["Noted. ", ToolCall("remember", {"note": "milk"}), ToolCall("recall")], "You need milk.")
    session = testing.session(Assistant, state={"notes": ["eggs"]})
    assert session.chat("remember milk") == "Noted. \n\nYou need milk."
    assert session.state.notes == ["eggs", "milk"]
    offered = server.requests[0].tools
    assert offered["remember"]["description"] == "Keep a note."
    assert offered["remember"]["parameters"]["properties"] == {"note": {"type": "string"}}
    assert offered["recall"]["parameters"]["properties"] == {}
    assert server.conversation == [
        ("user", "remember milk"),
        ("assistant", "Noted. "),
        ("call", "remember"),
        ("call", "recall"),
        ("return", "Note 2 kept."),
        ("return", '["eggs","milk"]'),
    ]
    assert session.usage == {
        "requests": 2,
        "tool_calls": 2,
        "input_tokens": 2 * INPUT_TOKENS,
        "output_tokens": 2 * OUTPUT_TOKENS,
    }


def test_a_later_turn_sees_earlier_tool_calls(server):
    server.replies([ToolCall("remember", {"note": "milk"})], "Kept.", "Milk.")
    session = testing.session(Assistant)
    session.chat("remember milk")
    assert session.chat("what was it?") == "Milk."
    assert server.conversation == [
        ("user", "remember milk"),
        ("call", "remember"),
        ("return", "Note 1 kept."),
        ("assistant", "Kept."),
        ("user", "what was it?"),
    ]
    assert [one.role for one in session.messages] == ["user", "assistant", "user", "assistant"]
    assert session.messages[0].data is None
    assert "instructions" not in json.dumps(session.messages[1].data).replace('"instructions": null', "")


class Handy(Agent):
    model = "openai:gpt-6-luna"

    class State(Agent.State):
        total: int = 0

    state: State

    @tool(name="add-up")
    async def add(self, amounts: list[int], *, times: int = 1) -> int:
        """Add amounts.

        Args:
            amounts: What to add.
            times: How often.
        """
        await asyncio.sleep(0)
        self.state.total += sum(amounts) * times
        return self.state.total

    @tool
    @staticmethod
    def shout(text: str) -> str:
        """Make it loud."""
        return text.upper()

    @tool
    def bump(self):
        """Count."""
        before = self.state.total
        threading.Event().wait(0.01)
        self.state.total = before + 1

    @tool
    def fail(self) -> None:
        """Fail."""
        raise ZeroDivisionError("by zero")


def test_tools_of_every_form(server):
    calls = [ToolCall("add-up", {"amounts": [1, 2], "times": 2}), ToolCall("shout", {"text": "hey"})]
    server.replies(calls, "Done.")
    session = testing.session(Handy)
    session.chat("go")
    assert session.state.total == 6
    assert server.conversation[-2:] == [("return", "6"), ("return", "HEY")]
    offered = server.requests[0].tools["add-up"]
    assert offered["description"] == "Add amounts."
    assert offered["parameters"]["properties"]["amounts"]["description"] == "What to add."


def test_sync_tools_of_one_response_do_not_overlap(server):
    server.replies([ToolCall("bump")] * 5, "Done.")
    session = testing.session(Handy)
    session.chat("go")
    assert session.state.total == 5


def test_wrong_arguments_go_back_to_the_model(server):
    server.replies([ToolCall("add-up", {"amounts": "many"})], [ToolCall("add-up", {"amounts": [1]})], "Done.")
    session = testing.session(Handy)
    assert session.chat("go") == "Done."
    assert session.state.total == 1


def test_a_tool_that_fails_fails_the_turn(server):
    server.replies([ToolCall("add-up", {"amounts": [5]})], [ToolCall("fail")])
    session = testing.session(Handy)
    with pytest.raises(ZeroDivisionError, match="by zero"):
        session.chat("go")
    assert session.state.total == 0
    assert session.messages == []
    assert session.usage is not None
    assert session.usage["requests"] == 2
