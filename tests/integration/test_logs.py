"""What the processes log holds no key, no token and nothing of what clients wrote."""

import json
from collections import Counter
from collections.abc import Iterator

import pytest

from pumice.dev.children import Guard
from tests.support.client import AgentClient, chat_body, new_session
from tests.support.control import TOKEN_SECRET, send_hook, session_token
from tests.support.servers import outage_stack
from tests.support.stack import Process, Stack
from tests.support.waiting import wait_until

AGENTS = "flaky=tests.support.agents_control:Flaky,guarded=tests.support.agents_control:Guarded"
SAID = "squeamish-ossifrage"
Verbose = tuple[Stack, Process, Process]


@pytest.fixture
def verbose(database_url: str, redis_url: str) -> Iterator[Verbose]:
    """A front and a worker that log all there is to log."""
    servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    with Guard() as guard:
        more = {"AGENTS": AGENTS, "SESSION_TOKEN_SECRET": TOKEN_SECRET, "LOG_LEVEL": "debug"}
        stack = Stack({**servers, **more}, guard)
        with stack.front() as web, stack.worker() as worker:
            yield stack, web, worker


def test_nothing_secret_is_logged(verbose: Verbose) -> None:
    stack, web, worker = verbose
    flaky, guarded = stack.agent("flaky", web.url), stack.agent("guarded", web.url)
    token = session_token(new_session())
    say_it(flaky)
    say_it_with_a_token(guarded, token)
    say_it_to_a_broken_store(stack, flaky)
    wait_until(lambda: flaky.chat("x").status_code == 200)
    logs = web.output + worker.output
    assert "worker_started" in logs
    assert "request_failed" in logs
    keys = [key for pair in stack.keys.values() for key in pair]
    assert [one for one in (SAID, token, TOKEN_SECRET, *keys) if one in logs] == []


def say_it(agent: AgentClient) -> None:
    """In messages, bodies, queries and keys, well and badly formed; and hang up in the middle."""
    assert agent.chat(SAID).status_code == 200
    assert agent.chat("fail").status_code == 500
    assert agent.post("/v1/chat", content=f'{{"messages": "{SAID}').status_code == 400
    assert agent.post(f"/v1/chat?apiKey={agent.public_key}", json=chat_body(SAID)).status_code == 200
    assert agent.http.post("/v1/chat", json=chat_body("x", apiKey=SAID)).status_code == 401
    agent.finished(send_hook(agent, "plain", new_session(), times=1, tag=SAID))
    assert agent.hook("plain", params={"session": "s", "times": SAID}, json={"card": SAID}).status_code == 500
    with agent.stream(SAID) as events:
        next(events)
    with agent.socket(new_session()) as socket:
        socket.send(SAID)
        socket.until("accepted")


def say_it_with_a_token(agent: AgentClient, token: str) -> None:
    """Over HTTP and sockets, with a good token and with a bad one."""
    assert agent.chat(SAID, headers={"x-session-token": token}).status_code == 200
    with agent.socket(sessionToken=token) as socket:
        socket.send(SAID)
        socket.until("done")
    with agent.socket(sessionToken=token + "x") as socket:
        assert socket.closed() == 4401


def say_it_to_a_broken_store(stack: Stack, agent: AgentClient) -> None:
    """With a table missing, and with connections cut."""
    stack.query("alter table sessions rename to away")
    body = {"sessionId": "s", "metadata": {"said": SAID}}
    assert agent.sessions("", "POST", json=body).status_code == 500
    assert agent.chat(SAID).status_code == 500
    stack.query("alter table away rename to sessions")
    stack.query(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )


def test_json_lines_can_be_read_and_an_outage_is_told_once() -> None:
    with outage_stack(AGENTS, LOG_FORMAT="json", SESSION_TOKEN_SECRET=TOKEN_SECRET) as outage:
        flaky, processes = outage.stack.agent("flaky"), list(outage.stack.shared.values())
        with outage.postgres.away():
            assert flaky.chat("x").status_code == 503
            wait_until(lambda: all("_away" in one.output for one in processes), 20)
            wait_until(lambda: any("rescue_store_away" in one.output for one in processes), 20)
            assert flaky.chat("x").status_code == 503
            assert flaky.chat("x").status_code == 503
        wait_until(lambda: flaky.chat("x").status_code == 200, 20)
        wait_until(lambda: all("_back" in one.output for one in processes), 20)
        events = [json.loads(line) for one in processes for line in one.output.splitlines()]
    assert all({"timestamp", "level", "logger", "event"} <= set(event) for event in events)
    names = Counter((event["logger"], event["event"]) for event in events)
    away = {name for _, name in names if name.endswith("_away")}
    assert away >= {"postgres_away", "rescue_store_away"}
    assert {count for (_, name), count in names.items() if name in away} == {1}
    backs = [event for event in events if event["event"] in {"postgres_back", "rescue_store_back"}]
    assert len(backs) == len([one for one in names if one[1] in {"postgres_back", "rescue_store_back"}])
    assert max(event["times"] for event in backs) > 1
