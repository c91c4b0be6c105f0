"""A newcomer's first hour: one command, chats, sockets, webhooks, a job every minute, and all of it after a restart."""

import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest

from pumice.dev.servers import temporary_folder
from tests.support.client import AgentClient
from tests.support.openai_server import OpenAIServer, ToolCall
from tests.support.processes import ROOT, DevProcess, free_port, started_dev
from tests.support.waiting import wait_until

pytestmark = pytest.mark.faults

CLERK = """
from pumice import Agent, body, header, hook, job, query

async def by_coroutine(request):
    return request.json["customer"]["id"]

class Clerk(Agent):
    class State(Agent.State):
        orders: dict[str, str] = {}
        ticks: list[str] = []

    def reply(self, messages):
        for word in ("You", " have", f" {len(self.state.orders)}", " orders."):
            yield word

    def receive(self, data):
        return {"received": data}

    @hook("body", session=body("customer.id"))
    @hook("form", session=body("customer"))
    @hook("query", session=query("customer"))
    @hook("header", session=header("x-customer"))
    @hook("callable", session=lambda request: request.json["customer"]["id"])
    @hook("coroutine", session=by_coroutine)
    @hook("fixed", session="front-office")
    @hook("default", session="default")
    @hook("nobody")
    def order(self, request):
        order = request.form or request.json
        self.state.orders[order["id"]] = order["financial_status"]
        return {"session": self.session_id, "orders": len(self.state.orders)}

    @job("* * * * *")
    def every_minute(self):
        self.state.ticks.append(self.interaction.scheduled_for.isoformat())
"""
AGENTS = {
    "desk": "examples.orders:OrderDesk",
    "watch": "examples.github:RepositoryWatcher",
    "assistant": "examples.assistant:Assistant",
    "clerk": "clerk:Clerk",
}
SECRET = "It's a Secret to Everybody"  # GitHub's own example
ORDER = {"id": "820982911946154508", "financial_status": "paid", "currency": "USD", "customer": {"id": "ada"}}
PUSH = {
    "ref": "refs/heads/main",
    "before": "6113728f27ae82c7b1a177c8d03f9e96e0adf246",
    "after": "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5",
    "repository": {"id": 186853002, "name": "hello-world", "full_name": "octocat/hello-world", "private": False},
    "pusher": {"name": "octocat", "email": "octocat@github.com"},
    "commits": [{"id": "59b20b8d5c6ff8d09518454d4dd8b7b30f095ab5", "message": "Update README", "distinct": True}],
}


class Place:
    """The newcomer's folder, and the stack that runs in it."""

    def __init__(self, folder, model):
        self._folder = folder
        # As bin/dev sets it: the examples are imported from the checkout.
        self._environ = {**model.environment, "GITHUB_WEBHOOK_SECRET": SECRET, "PYTHONPATH": str(ROOT)}
        self.dev: DevProcess | None = None
        self.seconds = 0.0

    @contextmanager
    def started(self) -> Iterator[None]:
        agents = ",".join(f"{agent}={target}" for agent, target in AGENTS.items())
        options = ("--agents", agents, "--port", str(free_port()), "--no-reload")
        begun = time.monotonic()
        with started_dev(self._folder / "data", *options, cwd=self._folder, environ=self._environ) as self.dev:
            self.dev.wait_ready(90)
            self.seconds = time.monotonic() - begun
            yield

    def agent(self, agent_id: str) -> AgentClient:
        assert self.dev is not None
        info = self.dev.info
        return AgentClient(
            info["url"], agent_id, *(info["agents"][agent_id][kind] for kind in ("publicKey", "secretKey"))
        )


@pytest.fixture(scope="module")
def model():
    with OpenAIServer() as server:
        yield server


@pytest.fixture(scope="module")
def place(model):
    with temporary_folder() as folder:
        (folder / "clerk.py").write_text(CLERK)
        yield Place(folder, model)


@pytest.fixture(scope="module")
def stack(place):
    with place.started():
        for session in ("ada", "grace", "joan"):  # early, so that the minute's job has been due when its test comes
            place.agent("clerk").reply("hello", session)
        yield place


@pytest.fixture
def say(pytestconfig, capsys):
    """Prints a line, captured output or not."""

    def line(text):
        with capsys.disabled():
            pytestconfig.get_terminal_writer().line(f"\n{text}")

    return line


def github(watch, event, payload, delivery, secret=SECRET):
    text = json.dumps(payload).encode()
    headers = {
        "content-type": "application/json",
        "user-agent": "GitHub-Hookshot/044aadd",
        "x-github-event": event,
        "x-github-delivery": delivery,
        "x-hub-signature-256": "sha256=" + hmac.new(secret.encode(), text, hashlib.sha256).hexdigest(),
    }
    return watch.hook("github", content=text, headers=headers)


def test_it_is_ready_soon(stack, say):
    say(f"ready after {stack.seconds:.1f} s, servers and database made")
    assert stack.agent("desk").http.get("/readyz").json()["redis"] == "live"


def test_chat_over_http_and_as_a_stream(stack):
    clerk = stack.agent("clerk")
    assert clerk.reply("hello", "chats") == "You have 0 orders."
    events = clerk.events("hello", "chats")
    assert [one.type for one in events] == ["session", "accepted", *["delta"] * 4, "message", "done"]
    assert "".join(one.data["content"] for one in events if one.type == "delta") == "You have 0 orders."


@pytest.mark.parametrize(
    "address",
    [
        "/v1?agent_id=desk&api_key={key}&sessionId=socket-1",
        "/v1?agentId=desk&apiKey={key}&session_id=socket-1",
        "/v1/agentId=desk/apiKey={key}/sessionId=socket-1",
        "/v1/sessionId=socket-1/apiKey={key}/agentId=desk",
        "/v1/desk?apiKey={key}&sessionId=socket-1",
    ],
)
def test_each_form_of_socket(stack, address):
    desk = stack.agent("desk")
    with desk.socket(address=address.format(key=desk.public_key)) as socket:
        assert socket.next()["sessionId"] == "socket-1"
        for frame in ({"type": "chat", "messages": ["hello"]}, {"role": "user", "content": "hello"}, "hello"):
            socket.send(frame)
            assert socket.until("message")["message"]["content"] == "You have 0 orders."
            socket.until("done")


def test_custom_frames_and_a_temporary_session(stack):
    with stack.agent("clerk").socket() as socket:
        assert socket.next()["sessionId"].startswith("tmp-")
        socket.send({"type": "move", "to": 7})
        assert socket.until("data")["data"] == {"received": {"type": "move", "to": 7}}


@pytest.mark.parametrize(
    ("hook", "session", "options"),
    [
        ("body", "ada", {"json": ORDER}),
        ("form", "ada", {"data": {"id": "1", "financial_status": "paid", "customer": "ada"}}),
        ("query", "grace", {"json": ORDER, "params": {"customer": "grace"}}),
        ("header", "joan", {"json": ORDER, "headers": {"x-customer": "joan"}}),
        ("callable", "ada", {"json": ORDER}),
        ("coroutine", "ada", {"json": ORDER}),
        ("fixed", "front-office", {"json": ORDER}),
        ("default", "default", {"json": ORDER}),
        ("nobody", None, {"json": ORDER}),
    ],
)
def test_orders_through_each_selector(stack, hook, session, options):
    clerk = stack.agent("clerk")
    answer = clerk.hook(hook, **options)
    assert answer.status_code == 200, answer.text
    reached = answer.json()["session"]
    assert reached == session if session else reached.startswith("tmp-")
    assert (options.get("json") or options["data"])["id"] in clerk.state(reached)["orders"]


def test_the_order_desk(stack):
    desk = stack.agent("desk")
    for status in ("packed", "sent"):
        assert desk.hook("order-update", json={"id": "7", "status": status, "customer": {"id": "c1"}}).json()["stored"]
    assert desk.state("c1") == {"orders": {"7": "sent"}}
    assert desk.reply("How many?", "c1") == "You have 1 orders."


def test_github(stack):
    watch = stack.agent("watch")
    assert github(watch, "push", PUSH, "d-1").json() == {"seen": "push"}
    assert github(watch, "push", PUSH, "d-1").json() == {"seen": "push"}  # sent again: it counts once
    assert github(watch, "push", PUSH, "d-2", secret="guessed").status_code == 401
    state = watch.state("octocat/hello-world")
    assert (state["pushes"], state["commits"], state["last_pusher"]) == (1, 1, "octocat")
    assert "1 pushes with 1 commits" in watch.reply("?", "octocat/hello-world")


def test_the_assistant(stack, model):
    assistant = stack.agent("assistant")
    model.replies([ToolCall("remember", {"note": "milk"})], "I will remember the milk.")
    assert assistant.reply("Remember milk", "ada") == "I will remember the milk."
    assert assistant.state("ada") == {"notes": ["milk"]}


@pytest.mark.slow
def test_a_job_reaches_every_session_each_minute(stack):
    clerk = stack.agent("clerk")

    def ticks():
        found = [clerk.state(session)["ticks"] for session in ("ada", "grace", "joan")]
        return found if all(found) else []

    found = wait_until(ticks, 75, "a tick in every session")
    assert len({one[0] for one in found}) == 1
    assert all(len(set(one)) == len(one) for one in found)
    temporary = clerk.chat("hello").json()["sessionId"]
    assert clerk.state(temporary)["ticks"] == []


def all_states(place):
    """Every session's state and messages, of all agents; ticks go on meanwhile."""
    found = {}
    for agent in map(place.agent, AGENTS):
        for session in agent.sessions("?limit=1000").json()["sessions"]:
            messages = agent.sessions(f"/{quote(session['sessionId'], safe='')}/messages").json()["messages"]
            state = {name: value for name, value in session["state"].items() if name != "ticks"}
            found[agent.id, session["sessionId"]] = state, messages, session["createdAt"]
    return found


@pytest.mark.slow
def test_after_a_restart_everything_is_there(stack, say):
    stack.agent("desk").reply("hello", "kept")
    before, keys = all_states(stack), stack.dev.info["agents"]
    assert ("desk", "kept") in before
    assert stack.dev.stop() == 0
    with stack.started():
        say(f"ready again after {stack.seconds:.1f} s")
        assert stack.dev.info["agents"] == keys
        assert all_states(stack) == before
