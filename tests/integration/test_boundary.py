"""Whatever leaves authors' code fails its own turn, at once, and nothing else."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.agents_boundary import RAISED
from tests.support.client import AgentClient, new_session
from tests.support.databases import database
from tests.support.stack import Stack, running_stack

NAMES = {
    "raising": "Raising",
    "async-raising": "AsyncRaising",
    "chunks": "Chunks",
    "leaving": "Leaving",
    "async-leaving": "AsyncLeaving",
    "emoji": "Emoji",
    "chooser": "Chooser",
    "async-chooser": "AsyncChooser",
}
AGENTS = ",".join(f"{name}=tests.support.agents_boundary:{cls}" for name, cls in NAMES.items())
REDIS_DATABASE = 9
CHATS = [
    ("raising", "chunks"),
    ("raising", "state"),
    ("raising", "setup"),
    ("raising", "on_error"),
    ("async-raising", "gather"),
    ("async-raising", "thread"),
    ("async-raising", "group"),
    ("async-raising", "on_error"),
    ("chunks", "chunks"),
    ("chunks", "closing"),
]
KINDS = ("SystemExit", "CancelledError", "GeneratorExit", "StopIteration", "Panic", "Unspeakable", "Liar")
CASES = [
    *(("raising", "reply", what) for what in RAISED),
    *(("async-raising", "reply", what) for what in RAISED),
    *((name, where, what) for name, where in CHATS for what in KINDS if (where, what) != ("group", "CancelledError")),
]
"""A task group goes on when one of its tasks is cancelled, so that is no failure."""
ENDS_LOOPS = ("SystemExit", "KeyboardInterrupt")
"""What a task that nobody awaits ends a program with; anything else in it is only logged, as asyncio does."""


@pytest.fixture(scope="module")
def boundary(postgres_server, valkey_server, migrated_template) -> Iterator[Stack]:
    with database(postgres_server.url("postgres"), migrated_template) as name:
        servers = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(REDIS_DATABASE)}
        with running_stack({**servers, "LEASE_SECONDS": "30"}, AGENTS) as running:
            yield running


@pytest.mark.parametrize(("name", "where", "what"), CASES)
def test_it_is_the_failure_of_its_turn(boundary, name: str, where: str, what: str) -> None:
    agent, session = boundary.agent(name), f"{where}-{what}-{new_session()}"
    answer = agent.chat(f"{'reply' if where in {'setup', 'on_error'} else where} {what}", session)
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:pumice:problem:handler-failed")
    _check_failed_once(agent, session)


@pytest.mark.parametrize("what", ENDS_LOOPS)
def test_a_task_that_nobody_awaits_ends_its_turn_alone(boundary, what: str) -> None:
    agent, session = boundary.agent("async-raising"), new_session()
    with ThreadPoolExecutor() as pool:
        failing = pool.submit(agent.chat, f"spawned {what}", session)
        beside = [pool.submit(agent.chat, "fine") for _ in range(5)]
        assert failing.result().status_code == 500
        assert {one.result().status_code for one in beside} == {200}
    _check_failed_once(agent, session)


@pytest.mark.parametrize("what", KINDS)
@pytest.mark.parametrize("where", ["hook", "call", "receive"])
def test_handlers_of_other_kinds(boundary, where: str, what: str) -> None:
    agent, session = boundary.agent("raising"), new_session()
    if where == "hook":
        assert agent.hook("in", params={"session": session, "what": what}).status_code == 500
    elif where == "call":
        agent.reply(f"call {what}", session)
    else:
        with agent.socket(session) as socket:
            socket.send({"what": what})
            assert socket.until("error")["error"]["status"] == 500
    _check_failed_once(agent, session)


@pytest.mark.parametrize("name", ["leaving", "async-leaving"])
def test_context_variables_stay_in_their_turn(boundary, name: str) -> None:
    agent = boundary.agent(name)
    assert {agent.reply(text, new_session()) for text in "abcdefghijklmnop"} == {"nobody"}


def test_what_a_turn_left_behind_is_refused(boundary) -> None:
    agent, session = boundary.agent("leaving"), new_session()
    agent.reply("late", session)
    assert agent.reply("told", session) == "TurnOverError, TurnOverError, TurnOverError"
    assert agent.state(session) == {"notes": []}


def test_a_character_cut_in_two_is_joined_and_half_a_one_fails_its_own_turn(boundary) -> None:
    agent = boundary.agent("emoji")
    with ThreadPoolExecutor() as pool:
        others = [pool.submit(agent.events, "fine") for _ in range(8)]
        broken = agent.events("half")
        cut = agent.events("cut")
    assert "".join(event.data["content"] for event in cut if event.type == "delta") == "a \U0001f600 b"
    assert broken[-1].type == "error"
    assert all([event.type for event in one.result()][-3:] == ["delta", "message", "done"] for one in others)


@pytest.mark.parametrize("what", RAISED)
@pytest.mark.parametrize(
    ("name", "hook", "status"),
    [
        ("chooser", "sync", 400),
        ("chooser", "verified", 401),
        ("chooser", "deduped", 400),
        ("async-chooser", "slow", 400),
    ],
)
def test_selectors_are_answered(boundary, name: str, hook: str, status: int, what: str) -> None:
    answer = boundary.agent(name).hook(hook, params={"session": "s", "what": what})
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert not any(told in answer.text for told in ("unwrap", "emoji", "scope of"))


def test_async_selectors_run_side_by_side(boundary, tmp_path) -> None:
    agent, told = boundary.agent("async-chooser"), tmp_path / "told"
    with ThreadPoolExecutor(12) as pool:
        slow = [pool.submit(agent.hook, "slow", params={"session": str(n), "until": str(told)}) for n in range(8)]
        assert agent.hook("slow", params={"session": "quick"}).json() == {"session": "quick"}
        assert not any(one.done() for one in slow)
        told.touch()
        assert {one.result().status_code for one in slow} == {200}


def test_a_selector_past_its_limit_is_cut(boundary) -> None:
    answer = boundary.agent("async-chooser").hook("slow", params={"session": "s", "wait": "20"})
    assert answer.status_code == 400
    assert "TimeoutError" in answer.json()["detail"]


@pytest.mark.parametrize(("name", "hook"), [("chooser", "sync"), ("async-chooser", "slow")])
def test_context_variables_of_a_selector_reach_no_other_request(boundary, name: str, hook: str) -> None:
    agent = boundary.agent(name)
    seen = {agent.hook(hook, params={"session": str(n), "before": "yes"}).json()["session"] for n in range(8)}
    assert seen == {"nobody"}


def _check_failed_once(agent: AgentClient, session: str) -> None:
    """The last interaction failed in its one attempt with a traceback, and the worker goes on."""
    last = agent.interactions(session)[-1]
    document = agent.finished(last["interactionId"])
    assert (document["status"], document["attempts"], len(document["errors"])) == ("failed", 1, 1)
    assert "agents_boundary.py" in document["errors"][0]["traceback"]
    assert agent.chat("fine", f"fine-{new_session()}").status_code == 200
