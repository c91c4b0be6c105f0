"""Erasing a session: no trace of it stays, in no table; what went is told; forks go only if they are asked for."""

from typing import Any
from uuid import uuid4

import pytest

from tests.support.client import AgentClient, new_session
from tests.support.commands import Commands
from tests.support.stack import Stack
from tests.support.waiting import wait_until

TABLES = (
    "agents", "interactions", "keyframes", "messages", "operations", "prunable_sessions", "replay_sessions", "replays",
    "sessions", "snapshots",
)  # fmt: skip


@pytest.fixture(scope="module")
def notebook(stack: Stack) -> AgentClient:
    return stack.agent("notebook")


@pytest.fixture
def secret() -> str:
    """A word that only the session to erase knows."""
    return f"w{uuid4().hex}"


def told(stack: Stack, *words: str) -> dict[str, int]:
    """In how many rows of each table any of these words stands."""
    found = {}
    for table in TABLES:
        like = " or ".join("r::text like %s" for _ in words)
        rows = stack.query(f"select count(*) as n from {table} r where {like}", *(f"%{word}%" for word in words))
        found[table] = rows[0]["n"]
    return {table: count for table, count in found.items() if count}


def said(client: AgentClient, session: str, *commands: str) -> list[str]:
    return [client.chat(command, session).json()["interactionId"] for command in commands]


def erased(client: AgentClient, session: str, **params: str) -> Any:
    return client.sessions(f"/{session}", "DELETE", params={"erase": "true", **params})


def fork(client: AgentClient, session: str, **body: Any) -> str:
    answer = client.sessions(f"/{session}/fork", "POST", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["sessionId"])


def replayed(client: AgentClient, *sessions: str) -> str:
    answer = client.http.post(
        f"/v1/agents/{client.id}/replays", headers=client.secret, json={"sessions": list(sessions)}
    )
    location = answer.headers["location"]
    wait_until(lambda: client.http.get(location, headers=client.secret).json()["status"] != "running", 30, "a replay")
    return location


def test_nothing_stays_and_what_went_is_told(stack, notebook, secret):
    session, other = new_session(), new_session()
    said(notebook, session, f"set a {secret}", f"snapshot {secret}", "later")
    said(notebook, other, "set a 1")
    location = replayed(notebook, session, other)
    assert set(told(stack, secret, session)) >= {"interactions", "messages", "sessions", "snapshots"}
    answer = erased(notebook, session)
    assert (answer.status_code, answer.json()) == (
        200,
        {"sessions": [session], "messages": 6, "interactions": 4, "points": 3, "snapshots": 1, "replays": 1},
    )
    assert told(stack, secret, session) == {}
    report = notebook.http.get(location, headers=notebook.secret).json()
    assert [one["sessionId"] for one in report["sessions"]] == [other]
    assert report["request"]["sessions"] == [other]
    assert erased(notebook, session).status_code == 404


def test_forks_are_named_and_stay_unless_they_are_asked_for(stack, notebook, secret):
    session = new_session()
    said(notebook, session, f"set a {secret}")
    child = fork(notebook, session)
    said(notebook, child, "set b 2")
    grandchild = fork(notebook, child)
    refused = erased(notebook, session)
    assert (refused.status_code, sorted(refused.json()["forks"])) == (409, sorted([child, grandchild]))
    assert notebook.state(session)["notes"] == {"a": secret}
    answer = erased(notebook, session, forks="true")
    assert answer.status_code == 200, answer.text
    assert answer.json()["sessions"] == sorted([session, child, grandchild])
    assert told(stack, secret, session, child, grandchild) == {}


def test_what_a_deletion_left_for_forks_goes_too(stack, notebook, secret):
    session = new_session()
    said(notebook, session, f"set a {secret}", "set b 2")
    child = fork(notebook, session)
    assert notebook.sessions(f"/{session}", "DELETE").status_code == 204
    assert set(told(stack, secret)) >= {"messages", "sessions"}
    assert erased(notebook, session).status_code == 409
    answer = erased(notebook, session, forks="true")
    assert answer.status_code == 200, answer.text
    assert answer.json()["sessions"] == sorted([session, child])
    assert told(stack, secret, session, child) == {}


def test_erasing_a_fork_leaves_its_parent_whole(stack, notebook, secret):
    session = new_session()
    said(notebook, session, "set a 1")
    child = fork(notebook, session)
    said(notebook, child, f"set b {secret}")
    assert erased(notebook, child).json()["sessions"] == [child]
    assert told(stack, secret, child) == {}
    assert notebook.state(session)["notes"] == {"a": "1"}
    assert notebook.reply("set c 3", session) == "3 messages, 2 notes"


def test_its_events_are_forgotten(stack, notebook, secret):
    session = new_session()
    with notebook.stream(f"set a {secret}", session) as stream:
        events = list(stream)
    assert events
    assert erased(notebook, session).status_code == 200
    answer = notebook.sessions(f"/{session}/events", headers={"last-event-id": events[0].id})
    assert secret not in answer.text


@pytest.mark.parametrize(("params", "status"), [({"erase": "yes"}, 422), ({"forks": "true"}, 422)])
def test_wrong_flags_delete_nothing(notebook, params, status):
    session = new_session()
    said(notebook, session, "set a 1")
    assert notebook.sessions(f"/{session}", "DELETE", params=params).status_code == status
    assert notebook.state(session)["notes"] == {"a": "1"}


def test_the_command_asks_and_tells(stack, notebook, secret, tmp_path):
    commands, session = Commands(tmp_path, **stack.environ), new_session()
    said(notebook, session, f"set a {secret}")
    child = fork(notebook, session)
    assert commands.call("sessions", "delete", "notebook", session).exit_code == 1
    refused = commands.call("sessions", "delete", "notebook", session, "--erase", "--yes")
    assert refused.exit_code == 1
    assert "forked" in refused.stderr
    done = commands.call("sessions", "delete", "notebook", session, "--erase", "--forks", "--yes")
    assert done.exit_code == 0, done.output
    assert "2 sessions, 2 messages" in done.stdout
    assert told(stack, secret, session, child) == {}
    plain = new_session()
    said(notebook, plain, "set a 1")
    assert commands.call("sessions", "delete", "notebook", plain, "--yes").exit_code == 0
    assert not notebook.exists(plain)
