"""Replays of agents that ask a model: it and the tools answer what was recorded, or are asked anew."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.client import AgentClient, new_session
from tests.support.databases import database
from tests.support.openai_server import Failure, OpenAIServer, ToolCall
from tests.support.processes import python_path
from tests.support.stack import Stack, running_stack
from tests.support.waiting import wait_until

CODE = """
from pathlib import Path
from typing import Any
from pumice import Agent, tool

BOUGHT = Path(__file__).with_suffix(".bought")


class Buyer(Agent):
    model = "openai:gpt-6-luna"
    instructions = "Buy what you are told."

    class State(Agent.State):
        bought: list[str] = []
        looked: int = 0

    @tool
    def {buy}(self, thing: str) -> dict[str, Any]:
        "Buy a thing."
        with BOUGHT.open("a") as file:
            file.write(thing)
        if thing == "trouble":
            raise ValueError("sold out")
        self.state.bought.append(thing)
        self.call("shop", "order", thing)
        self.send({{"bought": thing}})
        self.emit("thing.bought", thing)
        self.snapshot(f"with {{thing}}")
        return {{"price": 3}}

    @tool
    async def look(self, at: str) -> str:
        "Look at a thing."
        self.state.looked += 1
        return f"{{at}} is fine"

    def order(self, thing: str) -> None:
        self.state.bought.append(thing)
"""


class Buyer:
    """A stack whose agent asks a model that the test scripts."""

    def __init__(self, stack: Stack, file: Path, server: OpenAIServer) -> None:
        self.stack = stack
        self.file = file
        self.server = server
        self.client: AgentClient = stack.agent("buyer")

    @property
    def bought(self) -> str:
        return self.file.with_suffix(".bought").read_text()

    def recorded(self, session: str) -> None:
        """Three turns: two tools at once and one more, a tool that fails, and no tool."""
        both: list[Any] = [ToolCall("buy", {"thing": "milk"}), ToolCall("look", {"at": "bread"})]
        self.server.replies(["Let me see. ", *both], [ToolCall("buy", {"thing": "bread"})], "Bought both.")
        assert self.client.reply("milk and bread", session) == "Let me see. \n\nBought both."
        self.server.replies([ToolCall("buy", {"thing": "trouble"})])
        assert self.client.chat("trouble", session).status_code == 500
        self.server.replies("You are welcome.")
        assert self.client.reply("thanks", session) == "You are welcome."

    def replayed(self, **body: Any) -> dict[str, Any]:
        answer = self.client.http.post("/v1/agents/buyer/replays", headers=self.client.secret, json=body)
        assert answer.status_code == 202, answer.text

        def look() -> dict[str, Any]:
            document: dict[str, Any] = self.client.http.get(
                answer.headers["location"], headers=self.client.secret
            ).json()
            return document if document["status"] != "running" else {}

        return wait_until(look, 40, "the end of a replay")


@pytest.fixture
def buyer(postgres_server: Any, valkey_server: Any, migrated_template: str, tmp_path: Path) -> Iterator[Buyer]:
    name = f"buyer_{uuid4().hex[:8]}"
    file = tmp_path / f"{name}.py"
    file.write_text(CODE.format(buy="buy"))
    with database(postgres_server.url("postgres"), migrated_template) as made, OpenAIServer() as server:
        environ = {"DATABASE_URL": postgres_server.url(made), "REDIS_URL": valkey_server.url(5)}
        environ |= {"PYTHONPATH": python_path(tmp_path), "PYTHONDONTWRITEBYTECODE": "1", **server.environment}
        with running_stack(environ, f"buyer={name}:Buyer") as stack:
            yield Buyer(stack, file, server)


def whats(report: dict[str, Any]) -> list[list[str]]:
    return [[one["what"] for one in turn["differences"]] for turn in report["sessions"][0]["turns"]]


def test_recorded_answers_come_out_the_same_and_nobody_is_asked(buyer):
    session = new_session()
    buyer.recorded(session)
    asked, bought = len(buyer.server.requests), buyer.bought
    report = buyer.replayed(sessions=[session])
    assert (report["status"], report["turns"], report["changed"]) == ("done", 3, 0), report
    assert (len(buyer.server.requests), buyer.bought) == (asked, bought)
    assert buyer.client.state(session) == {"bought": ["milk", "bread"], "looked": 1}


@pytest.mark.faults
def test_code_that_no_longer_has_a_tool_differs_where_it_was_used(buyer):
    session = new_session()
    buyer.recorded(session)
    asked = len(buyer.server.requests)
    buyer.stack.shared["worker"].stop()
    buyer.file.write_text(CODE.format(buy="purchase"))
    with buyer.stack.worker():
        report = buyer.replayed(sessions=[session])
    first, _, last = whats(report)
    assert {"state", "calls", "emits"} <= set(first)
    assert last == ["state"]
    assert len(buyer.server.requests) == asked


def test_live_asks_anew(buyer):
    session = new_session()
    buyer.server.replies("Good morning.")
    buyer.client.reply("hi", session)
    asked = len(buyer.server.requests)
    buyer.server.replies("Good evening.")
    report = buyer.replayed(sessions=[session], model="live")
    assert len(buyer.server.requests) == asked + 1
    [difference] = report["sessions"][0]["turns"][0]["differences"]
    assert difference == {"what": "reply", "recorded": "Good morning.", "candidate": "Good evening."}


def test_a_model_that_failed_fails_again(buyer):
    session = new_session()
    buyer.server.replies(Failure(500), Failure(500), Failure(500), Failure(500))
    assert buyer.client.chat("hi", session).status_code == 500
    report = buyer.replayed(sessions=[session])
    assert (report["turns"], report["changed"]) == (1, 0), report


def test_a_quiet_fork_asks_no_model(buyer):
    session, fork = new_session(), new_session()
    buyer.server.replies("Good morning.")
    buyer.client.reply("hi", session)
    buyer.client.sessions(f"/{session}/fork", "POST", json={"sessionId": fork, "quiet": True}).raise_for_status()
    asked = len(buyer.server.requests)
    answer = buyer.client.chat("and now?", fork)
    assert answer.json()["message"]["content"] == ""
    assert len(buyer.server.requests) == asked
    document = buyer.client.interaction(answer.json()["interactionId"], secret=True).json()
    assert document["effects"] == [{"kind": "model", "model": "openai:gpt-6-luna", "messages": 3}]
