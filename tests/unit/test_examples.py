"""The examples do what their comments say."""

import importlib
import json
import subprocess
import sys

import pytest

from examples import github
from examples.assistant import Assistant
from examples.github import RepositoryWatcher
from examples.orders import OrderDesk
from pumice import testing
from pumice.agents.registry import load_agents

REPOSITORY = {"repository": {"full_name": "octocat/hello-world"}}


def deliver(session, event, headers=None, **payload):
    return session.hook("github", json=REPOSITORY | payload, headers={"X-GitHub-Event": event} | (headers or {}))


def test_the_order_desk():
    session = testing.session(OrderDesk)
    assert session.chat("hi") == "You have 0 orders."
    for order, status in [("7", "packed"), ("8", "packed"), ("7", "sent")]:
        answer = session.hook("order-update", json={"id": order, "status": status, "customer": {"id": "c1"}})
        assert (answer.status, answer.json) == (200, {"stored": True})
    assert session.session_id == "c1"
    assert session.state.orders == {"7": "sent", "8": "packed"}
    assert session.chat("hi") == "You have 2 orders."
    session.job("remind")
    assert session.sent == [{"reminder": 2}]
    assert session.job("nightly") is None


def test_a_broken_order_changes_nothing():
    session = testing.session(OrderDesk)
    with pytest.raises(KeyError, match="status"):
        session.hook("order-update", json={"id": "7", "customer": {"id": "c1"}})
    assert session.state.orders == {}


def test_the_repository_watcher():
    session = testing.session(RepositoryWatcher)
    assert deliver(session, "ping", zen="Keep it logically awesome.").json == {"pong": "Keep it logically awesome."}
    assert session.session_id == "octocat/hello-world"
    deliver(session, "push", commits=[{"id": "a"}, {"id": "b"}], pusher={"name": "mona"})
    deliver(session, "star", action="created")
    deliver(session, "star", action="created")
    deliver(session, "star", action="deleted")
    for action, number in [("opened", 1), ("opened", 2), ("closed", 1), ("reopened", 1), ("labeled", 2), ("closed", 2)]:
        deliver(session, "issues", action=action, issue={"number": number, "title": f"Issue {number}"})
    assert session.chat("?") == "1 pushes with 2 commits, the last by mona. Stars: +1. Open issues: 1.\n#1 Issue 1"
    ignored = deliver(session, "fork")
    assert (ignored.status, ignored.json) == (202, {"ignored": "fork"})


def test_the_repository_watcher_checks_signatures_once_it_has_a_secret(monkeypatch):
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", "It's a Secret to Everybody")
    try:
        session = testing.session(importlib.reload(github).RepositoryWatcher)
        assert deliver(session, "fork").status == 401
        assert deliver(session, "fork", {"X-Hub-Signature-256": "sha256=00"}).status == 401
        sample = session.hook("github", sign=True)
        assert (sample.status, sample.json) == (200, {"seen": "star"})
    finally:
        monkeypatch.undo()
        importlib.reload(github)


def test_the_assistants_tools_are_plain_methods():
    assistant = Assistant()
    assert assistant.remember("milk") == "Note 1 kept."
    assert assistant.recall() == ["milk"]


def test_the_examples_can_be_served_together():
    registry = load_agents(
        "desk=examples.orders:OrderDesk,watcher=examples.github:RepositoryWatcher,assistant=examples.assistant:Assistant"
    )
    assert all(spec.can_chat for spec in registry.values())


def test_the_examples_need_no_language_model_installed():
    program = """
import json, sys
sys.modules["pydantic_ai"] = None
from pumice import testing
from examples import assistant, github, orders
try:
    testing.session(assistant.Assistant).chat("hi")
except Exception as error:
    print(json.dumps(str(error)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == "the model 'openai:gpt-6-luna' needs an extra: pip install 'pumice[openai]'"
