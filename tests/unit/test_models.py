"""Language models, over the wire against a server on loopback that speaks OpenAI's API."""

import asyncio
import json
import sys
import threading
from typing import Any

import pytest

from examples.assistant import Assistant
from pumice import Agent, Message, handler, testing, tool
from pumice.agents import models as language_models
from pumice.agents.context import TurnContext, new_id
from pumice.agents.models import language_model_of, model_reply
from pumice.agents.turn import Work, run_turn
from pumice.errors import InvalidField
from tests.support.openai_server import INPUT_TOKENS, OUTPUT_TOKENS, Failure, ToolCall
from tests.support.turns import bench


def talker(**members: Any) -> type[Agent]:
    return type("Talker", (Agent,), {"model": "openai:gpt-6-luna"} | members)


def test_a_reply_is_streamed_word_by_word(server):
    server.replies("Good morning to you")
    session = testing.session(Assistant)
    assert session.chat("hi") == "Good morning to you"
    assert session.deltas == ["Good", " morning", " to", " you"]
    assert session.usage == {
        "requests": 1,
        "tool_calls": 0,
        "input_tokens": INPUT_TOKENS,
        "output_tokens": OUTPUT_TOKENS,
    }
    request = server.requests[0]
    assert (request.path, request.headers["authorization"]) == ("/v1/responses", "Bearer scripted")
    assert request.body["instructions"].startswith("You are a friendly assistant.")
    assert (request.body["model"], request.body["stream"]) == ("gpt-6-luna", True)


def test_what_a_tool_leaves_in_the_state_for_another_fails_no_turn(server):
    """Only what stands there at the turn's end must be storable. What an exception says may raise, too."""

    class RudeError(Exception):
        def __str__(self):
            raise SystemExit(3)

    class Holder(Agent):
        model = "openai:gpt-6-luna"

        class State(Agent.State):
            held: Any = None

        @tool
        def hold(self) -> str:
            "Hold something."
            self.state.held = object()
            return "held"

        @tool
        def let_go(self) -> str:
            "Let go."
            self.state.held = [1, 2]
            return "free"

        @tool
        def be_rude(self) -> str:
            "Be rude."
            raise RudeError

    server.replies([ToolCall("hold")], [ToolCall("let_go")], "Done.")
    session = bench(Holder)
    outcome = session.chat("hi")
    assert (outcome.status, session.state) == ("done", {"held": [1, 2]})
    recorded = json.loads(outcome.recording or "")["tools"]
    assert [one.get("state") for one in recorded] == [None, [{"op": "replace", "path": "/held", "value": [1, 2]}]]
    server.replies([ToolCall("be_rude")])
    outcome = session.chat("again")
    assert outcome.failure is not None
    assert outcome.failure.type == "RudeError"


def test_a_delta_arrives_while_the_model_still_writes(server):
    held = threading.Event()
    server.replies(["first", held, " second"])
    session = bench(talker())
    seen = []

    def emit(kind, fields):
        seen.append((fields["content"], held.is_set()))
        held.set()

    payload = json.dumps({"messages": [{"role": "user", "content": "hi"}]})
    outcome = asyncio.run(run_turn(session.live, Work(new_id(), 1, "chat", None, payload), emit))
    assert outcome.status == "done"
    assert seen[0] == ("first", False)
    assert "".join(text for text, _ in seen) == "first second"


def test_importing_and_building_does_not_block_the_loop(server):
    server.replies("Fine.")
    cls = talker()
    blocked = threading.Event()

    async def main():
        agent = cls()
        turn = asyncio.create_task(anext(model_reply(agent, [Message("user", "hi")])))
        with language_models.BUILDING:
            await asyncio.sleep(0.02)
            blocked.set()
        return await turn

    assert asyncio.run(main()) == "Fine."
    assert blocked.is_set()


def test_messages_that_no_model_wrote_are_history_too(server):
    server.replies("Fine.")
    history = [Message("system", "Be brief."), Message("assistant", "Hello!")]
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    ]
    testing.session(talker()).chat([*history, Message("user", parts)])
    assert server.conversation[:2] == [("system", "Be brief."), ("assistant", "Hello!")]
    sent = server.requests[0].body["input"][2]["content"]
    assert [part["type"] for part in sent] == ["input_text", "input_image", "input_image"]
    assert sent[1]["image_url"] == "https://example.com/cat.png"
    assert sent[2]["image_url"] == "data:image/png;base64,iVBORw0KGgo="


def test_history_of_an_unreadable_version_is_sent_as_text(server):
    server.replies("Fine.")
    stored = Message("assistant", "Hello!", {"pydantic_ai": [{"kind": "from the future"}]})
    session = bench(talker(), messages=(Message("user", "hi"), stored))
    assert session.chat("again").status == "done"
    assert server.conversation == [("user", "hi"), ("assistant", "Hello!"), ("user", "again")]


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (Message("assistant", "me again"), "messages"),
        (Message("user", [{"type": "video", "url": "x"}]), "messages[0].content[0]"),
        (
            Message("user", [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]),
            "messages[0].content[0]",
        ),
        (Message("user", [{"type": "image_url", "image_url": "data:image/png;base64,?"}]), "messages[0].content[0]"),
    ],
)
def test_what_no_model_can_be_sent_names_the_field(server, message, field):
    with pytest.raises(InvalidField) as caught:
        testing.session(talker()).chat([message])
    assert caught.value.document()["errors"][0]["field"] == field
    assert server.requests == []


def test_an_error_of_the_server_fails_the_turn_and_the_next_one_works(server):
    server.replies(Failure(400, "no such model"), "Better.")
    session = testing.session(Assistant)
    with pytest.raises(Exception, match="no such model"):
        session.chat("hi")
    assert session.chat("hi") == "Better."
    assert server.conversation == [("user", "hi")]


def test_an_agent_may_work_on_the_models_reply(server):
    class Loud(Agent):
        model = "openai:gpt-6-luna"

        async def reply(self, messages):
            text = "".join([part async for part in model_reply(self, messages)])
            return Message("assistant", text.upper())

    class Sometimes(Agent):
        model = "openai:gpt-6-luna"

        def reply(self, messages):
            return "pong" if messages[-1].text == "ping" else super().reply(messages)

    server.replies("hello", "asked")
    loud = testing.session(Loud)
    assert loud.chat("hi") == "HELLO"
    assert loud.messages[-1].data is not None
    sometimes = testing.session(Sometimes)
    assert (sometimes.chat("ping"), sometimes.chat("hi")) == ("pong", "asked")


def test_chat_completions_work_too(server):
    server.replies([ToolCall("remember", {"note": "milk"})], "Kept it.")

    class Chatting(Assistant):
        model = "openai-chat:gpt-6-luna"

    session = testing.session(Chatting)
    assert session.chat("remember milk") == "Kept it."
    assert session.deltas == ["Kept", " it."]
    assert session.state.notes == ["milk"]
    assert {request.path for request in server.requests} == {"/v1/chat/completions"}
    assert server.requests[1].body["messages"][-1]["content"] == "Note 1 kept."


def test_turns_on_one_loop_share_the_agent_and_its_connections(server):
    server.replies(*["Fine."] * 6)
    cls = talker()

    async def turn():
        agent = cls()
        agent.bind(cls.State(), TurnContext())
        return "".join([part async for part in model_reply(agent, [Message("user", "hi")])])

    async def turns():
        one_by_one = [await turn() for _ in range(3)]
        return one_by_one + list(await asyncio.gather(*(turn() for _ in range(3))))

    assert asyncio.run(turns()) == ["Fine."] * 6
    assert len({request.connection for request in server.requests[:3]}) == 1
    assert language_model_of(cls) is language_model_of(cls)


def test_a_new_loop_does_not_inherit_dead_connections(server):
    server.replies("One.", "Two.")
    session = testing.session(talker())
    assert [session.chat("hi"), session.chat("hi")] == ["One.", "Two."]


def test_the_time_limit_of_a_chat_ends_a_model_that_hangs(server):
    held = threading.Event()
    server.replies(["first", held, " never"])

    class Patient(Agent):
        model = "openai:gpt-6-luna"

        @handler(timeout=3)
        async def reply(self, messages):
            async for text in model_reply(self, messages):
                yield text

    session = bench(Patient)
    failure = session.chat("hi").failure
    held.set()
    assert failure is not None
    assert failure.type == "timeout"
    assert session.of("delta") == ["first"]


def test_an_unknown_model_and_a_missing_extra_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "groq", None)
    monkeypatch.setenv("GROQ_API_KEY", "x")
    with pytest.raises(Exception, match="Unknown model"):
        testing.session(talker(model="nobody:some-model")).chat("hi")
    with pytest.raises(Exception, match=r"pip install 'pumice\[groq\]'"):
        testing.session(talker(model="groq:some-model")).chat("hi")
