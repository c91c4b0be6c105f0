"""Sessions as files, over HTTP: what comes out goes in again, whole or not at all."""

import hashlib
import json
from io import BytesIO
from typing import Any

import httpx
import pytest

from pumice.agents.session_file import Header, StoredInteraction, StoredMessage, read_session
from tests.integration.conftest import AGENTS
from tests.support.client import AgentClient, new_session
from tests.support.stack import Stack, running_stack

NDJSON = {"content-type": "application/x-ndjson"}
COMMANDS = ("set a 1", "grow b 30000", "set c 3", "fail", "snapshot here", "set a 4")


@pytest.fixture(scope="module")
def notebook(stack: Stack) -> AgentClient:
    return stack.agent("notebook")


@pytest.fixture(scope="module")
def clinic(stack: Stack) -> AgentClient:
    return stack.agent("clinic")


@pytest.fixture
def session(notebook) -> str:
    """A session with a history."""
    name = new_session()
    notebook.sessions("", "POST", json={"sessionId": name, "metadata": {"plan": "pro"}})
    for command in COMMANDS:
        notebook.chat(command, name)
    return name


def export(client: AgentClient, session: str, **query: str) -> bytes:
    answer = client.sessions(f"/{session}/export", params=query)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    return answer.content


def put(client: AgentClient, content: bytes, **query: str) -> httpx.Response:
    return client.sessions("/import", "POST", content=content, headers=NDJSON, params=query)


def imported(client: AgentClient, content: bytes) -> str:
    name = new_session()
    answer = put(client, content, sessionId=name)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"].endswith(name)
    assert answer.json()["sessionId"] == name
    return name


def documents(content: bytes) -> list[dict[str, Any]]:
    return [line.document() for _, line in read_session(BytesIO(content))]


def told(client: AgentClient, session: str) -> list[tuple[Any, ...]]:
    """What can be seen of a session's interactions, with the state and the conversation after each."""
    found = []
    for one in client.interactions(session):
        at = client.sessions(f"/{session}", params={"at": one["interactionId"]}).json()
        said = client.sessions(f"/{session}/messages", params={"at": one["interactionId"]}).json()
        contents = [message["content"] for message in said.get("messages", ())]
        same = ("kind", "status", "result", "error", "attempts", "acceptedAt", "finishedAt", "reason")
        found.append((*(one[name] for name in same), at.get("state"), at.get("codeVersion"), contents))
    return found


def test_an_imported_session_is_the_exported_one_with_its_whole_history(notebook, session):
    copy = imported(notebook, export(notebook, session))
    assert told(notebook, copy) == told(notebook, session)
    assert len(told(notebook, copy)) == len(COMMANDS)
    before, after = (notebook.sessions(f"/{one}").json() for one in (session, copy))
    for name in ("state", "metadata", "messageCount", "version", "stateVersion", "codeVersion", "createdAt"):
        assert after[name] == before[name], name
    assert list(after["state"]["notes"]) == list(before["state"]["notes"])
    ids = [{one["interactionId"] for one in notebook.interactions(name)} for name in (session, copy)]
    assert not ids[0] & ids[1]


def test_an_imported_session_lives_on(notebook, session):
    copy = imported(notebook, export(notebook, session))
    assert notebook.reply("set d 5", copy).endswith("5 notes")
    assert notebook.sessions(f"/{copy}/restore", "POST", json={"at": "here"}).status_code == 200
    assert set(notebook.state(copy)["notes"]) == {"a", "b", "c", "named"}
    assert told(notebook, imported(notebook, export(notebook, copy))) == told(notebook, copy)


def test_an_export_can_end_at_a_point(notebook, session):
    content = export(notebook, session, at="here")
    lines = documents(content)
    assert lines[0]["at"] == "here"
    assert [one["payload"]["messages"][0]["content"] for one in lines if one.get("type") == "interaction"] == [
        *COMMANDS[:5]
    ]
    copy = imported(notebook, content)
    assert notebook.state(copy)["notes"]["a"] == "1"
    third = notebook.interactions(session)[2]["interactionId"]
    copy = imported(notebook, export(notebook, session, at=third))
    assert set(notebook.state(copy)["notes"]) == {"a", "b", "c"}
    assert len(notebook.interactions(copy)) == 3


def test_a_fork_is_exported_with_the_conversation_that_it_shares_and_where_it_began(notebook, session):
    third = notebook.interactions(session)[2]["interactionId"]
    fork = notebook.sessions(f"/{session}/fork", "POST", json={"at": third, "quiet": True}).json()["sessionId"]
    notebook.reply("set e 6", fork)
    content = export(notebook, fork)
    start = next(one for one in documents(content) if one.get("type") == "start")
    assert set(start["point"]["state"]["notes"]) == {"a", "b", "c"}
    assert notebook.sessions(f"/{session}", "DELETE").status_code == 204
    assert documents(export(notebook, fork))[1:-1] != []
    copy = imported(notebook, export(notebook, fork))
    said = [notebook.sessions(f"/{one}/messages").json()["messages"] for one in (fork, copy)]
    assert [one["content"] for one in said[0]] == [one["content"] for one in said[1]]
    assert len(said[1]) == 8
    assert told(notebook, copy) == told(notebook, fork)
    assert notebook.sessions(f"/{copy}").json()["quiet"]


def test_a_session_keeps_its_timezone(notebook):
    session = new_session()
    notebook.reply("set a 1", session)
    assert notebook.sessions(f"/{session}", "PATCH", json={"timezone": "Asia/Tokyo"}).status_code == 200
    content = export(notebook, session)
    assert documents(content)[0]["timezone"] == "Asia/Tokyo"
    assert notebook.sessions(f"/{imported(notebook, content)}").json()["timezone"] == "Asia/Tokyo"


def test_what_was_queued_is_cancelled_and_runs_nowhere(notebook):
    session = new_session()
    notebook.reply("later", session)
    copy = imported(notebook, export(notebook, session))
    assert [one["status"] for one in notebook.interactions(session)] == ["done", "queued"]
    _, later = notebook.interactions(copy)
    assert (later["status"], later["reasonCode"], later["name"]) == ("cancelled", "exported", "note")


def test_an_import_takes_the_files_own_id_once(notebook, session):
    content = export(notebook, session)
    assert put(notebook, content).status_code == 409
    assert notebook.sessions(f"/{session}", "DELETE").status_code == 204
    answer = put(notebook, content)
    assert (answer.status_code, answer.json()["sessionId"]) == (201, session)
    assert len(notebook.interactions(session)) == len(COMMANDS)


def spoilt(content: bytes, number: int, **fields: Any) -> bytes:
    """The file with one line changed, and a checksum that fits it."""
    lines = content.splitlines(keepends=True)
    lines[number - 1] = json.dumps({**json.loads(lines[number - 1]), **fields}).encode() + b"\n"
    end = json.loads(lines[-1]) | {"sha256": hashlib.sha256(b"".join(lines[:-1])).hexdigest()}
    return b"".join([*lines[:-1], json.dumps(end).encode() + b"\n"])


def standing(content: bytes, number: int, state: Any) -> bytes:
    """The file with another state in one line."""
    number %= len(content.splitlines()) + 1
    point = json.loads(content.splitlines()[number - 1])["point"]
    point.pop("statePatch", None)
    return spoilt(content, number, point={**point, "state": state})


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda content: spoilt(content, 1, version=2), "line 1: it is of version 2"),
        (lambda content: spoilt(content, 1, agent="shop"), "line 1: it is a session of the agent 'shop'"),
        (lambda content: spoilt(content, 2, metadata={"a": "\x00"}), "line 2: metadata: must not hold NUL"),
        (lambda content: spoilt(content, 9, seq=0), "line 9: seq: 0 must not come after"),
        (lambda content: standing(content, 1, {"notes": 5}), "line 1: point.state.notes: its JSON does not fit"),
        (lambda content: standing(content, 1, {"notes": {"a": "\x00"}}), "line 1: point.state: must not hold NUL"),
        (lambda content: standing(content, 3, {"notes": {"a": "\x00"}}), "line 3: point.state: must not hold NUL"),
        (lambda content: standing(content, -3, {"notes": {"a": "\x00"}}), "point.state: must not hold NUL"),
        (lambda content: standing(content, 3, {"notes": {"a": 1e999}}), "line 3: is not JSON: Infinity is not JSON"),
        (lambda content: content.replace(b'"set a 4"', b"1e999"), "Out of range float values are not JSON"),
        (lambda content: content[:-200], "it has no line break at its end"),
        (lambda content: content[: content.rindex(b"\n", 0, -1) + 1], "the file ends before its last line"),
        (lambda content: content.replace(b"set a 4", b"set a 5"), "sha256"),
        (lambda content: b"", "line 1"),
        (lambda content: b'{"pumice": "session"', "line 1"),
    ],
)
def test_a_file_that_is_not_right_is_refused_by_its_line_and_leaves_nothing(notebook, session, spoil, said):
    name = new_session()
    answer = put(notebook, spoil(export(notebook, session)), sessionId=name)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:pumice:problem:bad-session-file"), answer.text
    assert said in answer.json()["detail"]
    assert not notebook.exists(name)
    assert notebook.sessions(f"/{name}/messages").status_code == 404
    assert put(notebook, export(notebook, session), sessionId=name).status_code == 201


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ({"sessionId": "$mine"}, {}, 422),
        ({"sessionId": ""}, {}, 422),
        ({}, {"content-type": "application/json"}, 415),
        ({}, {"content-encoding": "gzip"}, 415),
    ],
)
def test_a_request_that_is_not_right_is_refused(notebook, query, headers, status):
    answer = notebook.sessions("/import", "POST", content=b"", headers={**NDJSON, **headers}, params=query)
    assert answer.status_code == status, answer.text


def test_only_a_secret_key_exports_and_imports(notebook, session):
    path = f"/v1/agents/notebook/sessions/{session}/export"
    assert notebook.http.get(path, headers=notebook.public).status_code == 403
    answer = notebook.post("/v1/agents/notebook/sessions/import", content=b"", headers=NDJSON)
    assert answer.status_code == 403


@pytest.mark.parametrize(("at", "status"), [("nowhere", 404), ("", 422), ("018f0000-0000-7000-8000-000000000000", 404)])
def test_an_unknown_point_exports_nothing(notebook, session, at, status):
    assert notebook.sessions(f"/{session}/export", params={"at": at}).status_code == status
    assert notebook.sessions("/nobody/export").status_code == 404


def test_a_file_larger_than_a_body_may_be_is_imported(notebook, session):
    content = export(notebook, session)
    large = b"".join(content.splitlines(keepends=True)[:-1])
    line = json.dumps({
        "type": "interaction", "id": "x", "kind": "hook", "payload": {"text": "y" * 12_000_000}, "status": "done",
        "acceptedAt": "2026-03-01T00:00:00Z",
    }).encode() + b"\n"  # fmt: skip
    end = json.loads(content.splitlines()[-1])
    end |= {"interactions": end["interactions"] + 1, "sha256": hashlib.sha256(large + line).hexdigest()}
    copy = imported(notebook, large + line + json.dumps(end).encode() + b"\n")
    assert len(notebook.interactions(copy)) == len(COMMANDS) + 1


@pytest.mark.parametrize("announced", [True, False])
def test_a_file_beyond_the_limit_is_refused(stack, notebook, session, announced):
    content = export(notebook, session)
    with running_stack({**stack.environ, "IMPORT_LIMIT": "2000"}, AGENTS) as small:
        client = small.agent("notebook")
        body = content if announced else iter([content[:500], content[500:]])
        answer = client.sessions("/import", "POST", content=body, headers=NDJSON, params={"sessionId": "s-large"})
        assert (answer.status_code, answer.json()["type"]) == (413, "urn:pumice:problem:too-large")
        assert not client.exists("s-large")


def test_redact_sees_every_line_of_an_export(clinic):
    session = new_session()
    for patient in ("Ada", "Grace", "raise"):
        clinic.chat(patient, session)
    content = export(clinic, session)
    for name in (b"Ada", b"Grace"):
        assert name not in content
    lines = [line for _, line in read_session(BytesIO(content))]
    assert isinstance(lines[0], Header)
    assert lines[0].point.state == {"patient": "(hidden)", "visits": 2, "number": 2**70}
    assert [line.content for line in lines if isinstance(line, StoredMessage)] == [
        *("(hidden)", "visit 1", "(hidden)", "visit 2")
    ]
    assert len([line for line in lines if isinstance(line, StoredInteraction)]) == 3
    assert clinic.state(imported(clinic, content))["number"] == 2**70


@pytest.mark.parametrize(
    ("patient", "said"),
    [
        ("break", "line 3: what redact() returned does not fit: seq"),
        ("explode", "line 3: redact() raised SystemExit"),
    ],
)
def test_what_redact_spoils_is_named_and_can_not_be_imported(clinic, patient, said):
    session = new_session()
    clinic.chat(patient, session)
    content = export(clinic, session)
    last = json.loads(content.splitlines()[-1])
    assert last["type"] == "error"
    assert said in last["detail"]
    answer = put(clinic, content, sessionId=new_session())
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_a_diff_tells_the_state_and_the_messages_that_were_added(notebook, session):
    first, _, third, *_ = (one["interactionId"] for one in notebook.interactions(session))
    found = notebook.sessions(f"/{session}/diff", params={"from": first, "to": third}).json()
    assert [(one["op"], one["path"]) for one in found["state"]] == [("add", "/notes/b"), ("add", "/notes/c")]
    assert [one["content"] for one in found["messages"] if one["role"] == "user"] == [*COMMANDS[1:3]]
    assert (found["from"], found["to"], found["nextCursor"]) == (first, third, None)
    now = notebook.sessions(f"/{session}/diff", params={"from": "here"}).json()
    assert now["state"] == [{"op": "replace", "path": "/notes/a", "value": "4"}]
    assert [one["content"] for one in now["messages"]] == ["set a 4", "9 messages, 4 notes"]
    assert notebook.sessions(f"/{session}/diff", params={"from": "here", "to": "here"}).json()["state"] == []


def test_a_diff_between_a_fork_and_where_it_began_has_its_own_messages(notebook, session):
    third = notebook.interactions(session)[2]["interactionId"]
    fork = notebook.sessions(f"/{session}/fork", "POST", json={"at": third}).json()["sessionId"]
    notebook.reply("set e 6", fork)
    found = notebook.sessions(f"/{fork}/diff", params={"from": third}).json()
    assert found["state"] == [{"op": "add", "path": "/notes/e", "value": "6"}]
    assert [one["content"] for one in found["messages"]] == ["set e 6", "7 messages, 4 notes"]


@pytest.mark.parametrize(
    ("query", "status"), [({}, 422), ({"from": "nowhere"}, 404), ({"from": "here", "to": "nowhere"}, 404)]
)
def test_a_diff_needs_points_that_there_are(notebook, session, query, status):
    assert notebook.sessions(f"/{session}/diff", params=query).status_code == status
