"""The sessions API: list, create, read, change, delete, and what belongs to a session."""

from datetime import datetime

import pytest

from tests.support.client import new_session
from tests.support.gates import Gate


def created(client, **body):
    answer = client.sessions(method="POST", json=body)
    assert answer.status_code == 201, answer.text
    return answer


@pytest.mark.parametrize("field", ["sessionId", "session_id"])
def test_a_session_is_created_under_its_name(echo, field):
    session = new_session() + "/ä"
    answer = created(echo, **{field: session}, metadata={"plan": "pro"})
    document = answer.json()
    assert (document["sessionId"], document["agentId"], document["metadata"]) == (session, "echo", {"plan": "pro"})
    assert document["state"] == {"setups": 0, "turns": 0, "notes": []}
    assert not document["temporary"]
    assert document["expiresAt"] is None
    assert echo.http.get(answer.headers["location"], headers=echo.secret).json() == document


def test_a_session_may_be_given_a_name(echo):
    first, second = (created(echo).json()["sessionId"] for _ in range(2))
    assert first != second
    assert echo.reply("x", first) == "1: x"


def test_a_session_is_not_created_twice(echo):
    session = new_session()
    created(echo, sessionId=session)
    again = echo.sessions(method="POST", json={"sessionId": session, "metadata": {"other": 1}})
    assert (again.status_code, again.json()["type"]) == (409, "urn:pumice:problem:conflict")
    assert echo.sessions(f"/{session}").json()["metadata"] == {}


def test_a_created_session_is_set_up_by_its_first_turn(echo):
    session = created(echo).json()["sessionId"]
    echo.reply("x", session)
    echo.reply("y", session)
    document = echo.sessions(f"/{session}").json()
    assert document["state"] == {"setups": 1, "turns": 2, "notes": []}
    assert (document["version"], document["messageCount"]) == (2, 4)
    assert datetime.fromisoformat(document["updatedAt"]) > datetime.fromisoformat(document["createdAt"])


def test_metadata_is_replaced_and_nothing_else(echo):
    session = created(echo, metadata={"a": 1}).json()["sessionId"]
    before = echo.sessions(f"/{session}").json()
    changed = echo.sessions(f"/{session}", "PATCH", json={"metadata": {"b": [None, {"ä": 1.5}]}}).json()
    assert changed["metadata"] == {"b": [None, {"ä": 1.5}]}
    assert {**changed, "metadata": 0, "updatedAt": 0} == {**before, "metadata": 0, "updatedAt": 0}


BAD_METADATA = [
    ({"metadata": None}, "metadata"),
    ({"metadata": []}, "metadata"),
    ({"metadata": {"x": "y" * 20_000}}, "metadata"),
    ({"metadata": {"x": "\x00"}}, "metadata"),
    ({"metadata": {}, "state": {}}, "state"),
    ({}, "metadata"),
]


@pytest.mark.parametrize(("body", "field"), BAD_METADATA)
def test_what_cannot_be_changed_is_named(echo, body, field):
    session = created(echo).json()["sessionId"]
    answer = echo.sessions(f"/{session}", "PATCH", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field


def test_a_deleted_session_is_gone_with_all_that_belongs_to_it(stack, echo):
    session = new_session()
    interaction = echo.chat("x", session).json()["interactionId"]
    assert echo.sessions(f"/{session}", "DELETE").status_code == 204
    for path in ("", "/interactions", "/messages"):
        assert echo.sessions(f"/{session}{path}").status_code == 404
    assert echo.interaction(interaction).status_code == 404
    assert stack.query("select 1 as n from messages where session_id = %s", session) == []
    assert echo.reply("again", session) == "1: again"
    assert echo.state(session)["setups"] == 1


def test_a_turn_of_a_deleted_session_saves_nothing(stack, echo, tmp_path):
    gate, session = Gate(tmp_path), new_session()
    echo.chat(f"gate:{gate}", session, headers={"Prefer": "respond-async"})
    gate.reached()
    assert echo.sessions(f"/{session}", "DELETE").status_code == 204
    gate.open()
    assert echo.reply("new life", session) == "1: new life"
    assert echo.state(session) == {"setups": 1, "turns": 1, "notes": []}


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("name", ["nobody", "no/body", "%FF"])
def test_an_unknown_session(echo, method, name):
    answer = echo.sessions(f"/{name.replace('/', '%2F')}", method, json={"metadata": {}})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:pumice:problem:unknown-session")


def pages(client, path, key, limit):
    """Every item of a list, read page by page."""
    items, query = [], {"limit": limit}
    while True:
        page = client.sessions(path, params=query).json()
        assert len(page[key]) <= limit
        items += page[key]
        if page["nextCursor"] is None:
            return items
        query["cursor"] = page["nextCursor"]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
def test_sessions_are_paged(stack, limit):
    client = stack.agent("async-streamer")
    names = {f"page-{number}/ä" for number in range(7)}
    for name in names - {one["sessionId"] for one in client.sessions().json()["sessions"]}:
        created(client, sessionId=name)
    found = [one["sessionId"] for one in pages(client, "", "sessions", limit)]
    assert found == sorted(found)
    assert names <= set(found)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("limit", [1, 3, 4])
def test_interactions_and_messages_are_paged(echo, limit):
    session = new_session()
    for number in range(4):
        echo.reply(str(number), session)
    assert [one["status"] for one in pages(echo, f"/{session}/interactions", "interactions", limit)] == ["done"] * 4
    messages = pages(echo, f"/{session}/messages", "messages", limit)
    assert [one["seq"] for one in messages] == list(range(8))
    assert [one["content"] for one in messages[::2]] == ["0", "1", "2", "3"]
    assert [one["role"] for one in messages] == ["user", "assistant"] * 4


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=-1", "cursor=%00"])
def test_a_page_that_cannot_be_is_refused(echo, query):
    assert echo.sessions(f"?{query}").status_code == 422
    session = created(echo).json()["sessionId"]
    for path in ("interactions", "messages"):
        assert echo.sessions(f"/{session}/{path}?{query}").status_code == 422


def test_an_interaction_tells_its_story(echo):
    session = new_session()
    started = echo.chat("hello", session).json()
    seen = echo.finished(started["interactionId"])
    assert (seen["agentId"], seen["sessionId"], seen["kind"]) == ("echo", session, "chat")
    assert (seen["status"], seen["attempts"], seen["error"], seen["errors"]) == ("done", 1, None, [])
    assert seen["result"] == {"message": started["message"]}
    times = [datetime.fromisoformat(seen[name]) for name in ("acceptedAt", "startedAt", "finishedAt")]
    assert times == sorted(times)


def test_only_a_secret_key_sees_a_traceback(stack):
    faulty = stack.agent("faulty")
    problem = faulty.chat("raise").json()
    secret = faulty.interaction(problem["interactionId"], secret=True).json()
    public = faulty.interaction(problem["interactionId"]).json()
    assert "Traceback" in secret["error"]["traceback"]
    assert (public["status"], public["error"]["type"]) == ("failed", "ValueError")
    assert "traceback" not in str(public)


@pytest.mark.parametrize("name", ["nothing", "01a202b5-7e96-77c6-b286-ab4b624c6f68", "%FF"])
def test_an_unknown_interaction(echo, name):
    answer = echo.interaction(name)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:pumice:problem:unknown-interaction")
