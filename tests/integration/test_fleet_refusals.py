"""Operations that are asked for wrongly: the field is named, and nothing starts."""

from typing import Any

import httpx
import pytest

from tests.support.client import AgentClient
from tests.support.stack import Stack


@pytest.fixture(scope="module")
def notebook(stack: Stack) -> AgentClient:
    return stack.agent("notebook")


def asked(client: AgentClient, method: str = "GET", body: Any = None) -> httpx.Response:
    return client.http.request(method, f"/v1/agents/{client.id}/operations", headers=client.secret, json=body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "action"),
        ({"action": "explode", "where": {}}, "action"),
        ({"action": "delete"}, "where"),
        ({"action": "delete", "where": {"state.nothing": 1}}, "where.state.nothing"),
        ({"action": "delete", "where": [1]}, "where"),
        ({"action": "delete", "where": {}, "dryRun": "yes"}, "dryRun"),
        ({"action": "delete", "where": {}, "name": "x"}, "name"),
        ({"action": "snapshot", "where": {}}, "name"),
        ({"action": "snapshot", "where": {}, "name": "x", "note": 1}, "note"),
        ({"action": "restore", "where": {}}, "at"),
        ({"action": "restore", "where": {}, "at": "x", "queued": "lose"}, "queued"),
        ({"action": "restore", "where": {}, "at": "x", "queued": []}, "queued"),
        ({"action": "restore", "where": {}, "at": "x", "queued": {}}, "queued"),
        ({"action": "delete", "where": {"metadata.a": {"b": "\x00"}}}, "where.metadata.a"),
        ({"action": "delete", "where": {"version": 10**30}}, "where.version"),
        ({"action": "delete", "where": {"messageCount": 9_999_999_999}}, "where.messageCount"),
        ({"action": "delete", "where": {}, "canary": {"release": "stable", "percent": 5}}, "canary.release"),
        ({"action": "delete", "where": {}, "canary": {"release": "x", "percent": 5, "above": 0}}, "canary.above"),
        ({"action": "fork", "where": {}, "quiet": 1}, "quiet"),
        ({"action": "fork", "where": {}, "prefix": "\n"}, "prefix"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_starts(notebook, body, field):
    before = asked(notebook).json()
    answer = asked(notebook, "POST", body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field
    assert asked(notebook).json() == before
