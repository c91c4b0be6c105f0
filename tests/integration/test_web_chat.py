"""Chats over HTTP: how the session is named, and the ways of being answered."""

import pytest

from tests.support.client import chat_body, new_session
from tests.support.gates import Gate


def test_a_chat_is_answered(echo):
    session = new_session()
    answer = echo.chat("hello", session)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    document = answer.json()
    assert document["message"] == {"role": "assistant", "content": "1: hello"}
    assert document["sessionId"] == session
    assert echo.finished(document["interactionId"])["result"] == {"message": document["message"]}


def test_a_session_remembers(echo):
    session = new_session()
    assert [echo.reply(text, session) for text in ("a", "b", "c")] == ["1: a", "3: b", "5: c"]
    assert echo.state(session) == {"setups": 1, "turns": 3, "notes": []}


NAMINGS = [
    pytest.param(lambda name: {"json": chat_body("x", name)}, id="body-camel"),
    pytest.param(lambda name: {"json": chat_body("x", session_id=name)}, id="body-snake"),
    pytest.param(lambda name: {"json": chat_body("x"), "params": {"sessionId": name}}, id="query-camel"),
    pytest.param(lambda name: {"json": chat_body("x"), "params": {"session_id": name}}, id="query-snake"),
    pytest.param(lambda name: {"json": chat_body("x"), "headers": {"X-Session-Id": name}}, id="header"),
]


@pytest.mark.parametrize("naming", NAMINGS)
@pytest.mark.parametrize("path", ["/v1/chat", "/v1/agents/echo/chat"])
def test_each_way_of_naming_the_session(echo, path, naming):
    session = new_session()
    answers = [echo.post(path, **naming(session)).json() for _ in range(2)]
    assert [answer["sessionId"] for answer in answers] == [session, session]
    assert answers[1]["message"]["content"] == "3: x"


KEYS = [
    pytest.param(lambda key: {"headers": {"x-api-key": key}, "json": chat_body("x")}, id="header"),
    pytest.param(lambda key: {"headers": {"Authorization": f"Bearer {key}"}, "json": chat_body("x")}, id="bearer"),
    pytest.param(lambda key: {"params": {"apiKey": key}, "json": chat_body("x")}, id="query-camel"),
    pytest.param(lambda key: {"params": {"api_key": key}, "json": chat_body("x")}, id="query-snake"),
    pytest.param(lambda key: {"json": chat_body("x", apiKey=key)}, id="body-camel"),
    pytest.param(lambda key: {"json": chat_body("x", api_key=key)}, id="body-snake"),
]


@pytest.mark.parametrize("carrying", KEYS)
def test_each_way_of_carrying_the_key(echo, carrying):
    assert echo.http.post("/v1/chat", **carrying(echo.public_key)).status_code == 200
    assert echo.http.post("/v1/chat", **carrying("pub_wrong")).status_code == 401


def test_without_a_session_id_a_temporary_session_is_made(echo):
    first, second = (echo.chat("x").json() for _ in range(2))
    assert first["sessionId"] != second["sessionId"]
    made = echo.sessions(f"/{first['sessionId']}").json()
    assert made["temporary"]
    assert made["expiresAt"] > made["createdAt"]
    assert echo.reply("again", first["sessionId"]) == "3: again"


@pytest.mark.parametrize("session", ["a/b", "käse ☕", "50%25", "x" * 255, "a b?c#d", "interactions"])
def test_session_ids_may_be_any_text(echo, session):
    session = new_session()[: 255 - len(session)] + session
    assert echo.chat("x", session).json()["sessionId"] == session
    assert echo.state(session)["turns"] == 1


def test_numbers_name_sessions_too(echo):
    assert echo.chat("x", 4711).json()["sessionId"] == "4711"


def test_history_can_be_replaced(echo):
    session = new_session()
    echo.reply("a", session)
    echo.reply("b", session)
    given = [{"role": "user", "content": "p"}, {"role": "assistant", "content": "q"}, "r"]
    answer = echo.chat("", session, messages=given, history="replace", headers=echo.secret).json()
    assert answer["message"]["content"] == "3: r"
    assert echo.reply("s", session) == "5: s"
    contents = [one["content"] for one in echo.sessions(f"/{session}/messages").json()["messages"]]
    assert contents == ["p", "q", "r", "3: r", "s", "5: s"]


def test_a_client_that_prefers_so_is_not_kept_waiting(echo, tmp_path):
    gate, session = Gate(tmp_path), new_session()
    answer = echo.chat(f"gate:{gate}", session, headers={"Prefer": "wait=5, respond-async"})
    assert (answer.status_code, answer.json()["sessionId"]) == (202, session)
    assert answer.headers["location"] == f"/v1/interactions/{answer.json()['interactionId']}"
    gate.reached()
    assert echo.http.get(answer.headers["location"], headers=echo.public).json()["status"] == "queued"
    gate.open()
    assert echo.finished(answer.json()["interactionId"])["status"] == "done"


def test_what_is_said_while_a_turn_runs_comes_after_it(echo, tmp_path):
    gate, session = Gate(tmp_path), new_session()
    echo.chat(f"gate:{gate}", session, headers={"Prefer": "respond-async"})
    gate.reached()
    queued = [echo.chat(text, session, headers={"Prefer": "respond-async"}).json() for text in "bcd"]
    gate.open()
    results = [echo.finished(one["interactionId"])["result"]["message"]["content"] for one in queued]
    assert results == ["3: b", "5: c", "7: d"]
    assert echo.state(session)["turns"] == 4
