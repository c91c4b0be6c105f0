"""What the front of `pumice dev` shows: a line per request, whole tracebacks, and a landing page."""

import json
from collections.abc import Iterator

import httpx
import pytest

from pumice.dev.children import Guard
from tests.support.client import AgentClient, new_session
from tests.support.stack import Process, Stack
from tests.support.waiting import wait_until

AGENTS = (
    "flaky=tests.support.agents_control:Flaky,selected=tests.support.agents_hooks:Selected,"
    "desk=examples.orders:OrderDesk"
)
Watched = tuple[Stack, Process, Process]


@pytest.fixture
def dev(database_url: str, redis_url: str, tmp_path) -> Iterator[Watched]:
    servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "AGENTS": AGENTS, "PUMICE_DEV": str(tmp_path)}
    (tmp_path / "dev.json").write_text(json.dumps({"agents": {"desk": {"publicKey": "pub_1", "secretKey": "sec_1"}}}))
    with Guard() as guard:
        stack = Stack(servers, guard)
        with stack.front() as web, stack.worker() as worker:
            yield stack, web, worker


def line(process: Process, *parts: str) -> str:
    """The process's line that has all of these."""
    return wait_until(lambda: next((one for one in process.lines if all(part in one for part in parts)), ""), 10)


def test_what_happens_is_seen(dev: Watched) -> None:
    stack, web, worker = dev
    flaky, session = stack.agent("flaky", web.url), new_session()
    assert flaky.chat("hello", session).status_code == 200
    assert "status=200 ms=" in line(web, "I pumice.request request method=POST path=/v1/chat", f"session={session}")
    assert flaky.chat("fail").status_code == 500
    failed = line(worker, "turn_failed", "agents_control.py:")
    shown = worker.lines[worker.lines.index(failed) + 1 :]
    assert shown[0].startswith("    | Traceback")
    assert any("agents_control.py" in one for one in shown)
    assert not any("/pumice/agents/" in one for one in shown)
    assert stack.agent("selected", web.url).hook("by-failing").status_code == 400
    assert "agents_hooks.py:" in line(web, "author_code_failed", "problem=selector-failed")


def test_the_landing_page_says_what_is_served_and_how_to_call_it(dev: Watched) -> None:
    _, web, _ = dev
    page = httpx.get(web.url, headers={"accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"].startswith("text/html")
    for part in ("desk", "examples.orders:OrderDesk", "order-update", "pub_1", "remind", "0 9 * * *"):
        assert part in page.text
    assert "sec_1" not in page.text
    text = httpx.get(web.url)
    assert text.headers["content-type"].startswith("text/plain")
    assert "curl " in text.text


def test_in_production_there_is_neither(echo: AgentClient, stack: Stack) -> None:
    assert httpx.get(stack.url).status_code == 404
    echo.reply("x")
    assert not any("pumice.request" in one for one in stack.shared["front"].lines)
