import dataclasses
import shlex

import pytest

from pumice import Agent, body, header, hook, query
from pumice.agents.registry import load_agents
from pumice.agents.spec import describe
from pumice.dev.calls import agent_lines, summary
from pumice.dev.datadir import AgentKeys, DevFile, Pids
from pumice.dev.inspect_agents import served
from pumice.dev.samples import EXAMPLES, sample

PIDS = Pids(web=1, worker=2, beat=3, postgres=4, redis=5)


class Shop(Agent):
    def reply(self, messages):
        return "hello"

    @hook("order", session=body("customer.id"))
    def order(self, request): ...

    @hook("search", session=query("who"), methods=("GET",))
    def search(self, request): ...

    @hook("event", session=header("x-who"))
    def event(self, request): ...

    @hook("nightly", session="default")
    def nightly(self, request): ...


@pytest.fixture
def lines():
    agents = [served(dataclasses.replace(describe(Shop), id="shop"))]
    keys = {"shop": AgentKeys(publicKey="pk_1", secretKey="sk_1")}
    dev = DevFile(url="http://127.0.0.1:8000", databaseUrl="", redisUrl="", agents=keys, pids=PIDS)
    return [line.strip() for line in summary(dev, agents)]


def command_with(lines, part):
    return shlex.split(next(line for line in lines if part in line and line.startswith(("curl", "wscat"))))


def test_it_shows_the_address_and_both_keys(lines):
    assert any("http://127.0.0.1:8000" in line for line in lines)
    assert {"public key pk_1", "secret key sk_1"} <= set(lines)


def test_chat_as_json_and_as_a_stream(lines):
    plain, stream = (shlex.split(line) for line in lines if "/v1/chat" in line)
    for command in (plain, stream):
        assert "x-api-key: pk_1" in command
        assert command[-1] == '{"sessionId":"demo","messages":[{"role":"user","content":"hello"}]}'
    assert "accept: text/event-stream" in stream
    assert "accept: text/event-stream" not in plain


def test_the_socket(lines):
    assert command_with(lines, "wscat")[-1] == "ws://127.0.0.1:8000/v1?agent_id=shop&api_key=pk_1&sessionId=demo"


def test_hooks_carry_what_their_selector_looks_for(lines):
    assert command_with(lines, "hooks/order")[-1] == '{"customer":{"id":"demo"}}'
    assert command_with(lines, "hooks/search") == ["curl", "http://127.0.0.1:8000/v1/agents/shop/hooks/search?who=demo"]
    assert "x-who: demo" in command_with(lines, "hooks/event")
    assert command_with(lines, "hooks/nightly")[-1] == "{}"


def test_an_agent_without_keys_is_named_without_commands():
    dev = DevFile(url="http://x", databaseUrl="", redisUrl="", agents={}, pids=PIDS)
    assert agent_lines(dev, served(describe(Shop))) == ["agent Shop"]


def test_the_examples_are_sent_what_they_understand():
    served = {"desk": "examples.orders:OrderDesk", "watch": "examples.github:RepositoryWatcher"}
    agents = load_agents(",".join(f"{agent}={path}" for agent, path in served.items()))
    samples = [sample(spec, name, hook) for spec in agents.values() for name, hook in spec.hooks.items()]
    assert samples == list(EXAMPLES.values())
