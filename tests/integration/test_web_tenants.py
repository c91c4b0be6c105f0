"""Tenants are separate: a key of one agent reads, creates and changes nothing of another."""

import pytest

from tests.support.client import AgentClient, chat_body, new_session


@pytest.fixture
def stranger(stack, echo):
    """Somebody who calls the agent `echo` with both keys of another agent."""
    client = AgentClient(stack.url, "echo", *stack.keys["other"])
    yield client
    client.http.close()


SESSION_CALLS = [
    ("", "GET", None),
    ("", "POST", {"sessionId": "{session}"}),
    ("/{session}", "GET", None),
    ("/{session}", "PATCH", {"metadata": {"stolen": True}}),
    ("/{session}", "DELETE", None),
    ("/{session}/interactions", "GET", None),
    ("/{session}/cancel", "POST", {}),
]
PAGE_CALLS = [("/{session}/messages", "GET"), ("/{session}/events", "GET"), ("/{session}/stop", "POST")]


@pytest.mark.parametrize(("path", "method", "body"), SESSION_CALLS)
def test_the_sessions_api(echo, stranger, path, method, body):
    session = new_session()
    echo.reply("x", session)
    before = echo.sessions(f"/{session}").json()
    answer = stranger.sessions(path.replace("{session}", session), method, json=body)
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:pumice:problem:unauthorized")
    assert echo.sessions(f"/{session}").json() == before


@pytest.mark.parametrize(("path", "method", "body"), SESSION_CALLS)
def test_the_sessions_api_needs_a_secret_key(echo, path, method, body):
    path = f"/v1/agents/echo/sessions{path.replace('{session}', new_session())}"
    answer = echo.http.request(method, path, json=body, headers=echo.public)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:pumice:problem:forbidden")


@pytest.mark.parametrize(("path", "method"), PAGE_CALLS)
def test_what_a_page_may_do(echo, stranger, path, method):
    session = new_session()
    echo.reply("x", session)
    path = f"/v1/agents/echo/sessions{path.replace('{session}', session)}"
    for keys in (stranger.public, stranger.secret):
        answer = echo.http.request(method, path, headers=keys)
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:pumice:problem:unauthorized")


def test_a_chat_by_path_creates_nothing(echo, stranger):
    session = new_session()
    answer = stranger.post("/v1/agents/echo/chat", json=chat_body("x", session))
    assert answer.status_code == 401
    assert not echo.exists(session)


def test_a_chat_lands_with_the_keys_own_agent(stack, echo):
    session, other = new_session(), stack.agent("other")
    assert echo.reply("mine", session) == "1: mine"
    assert other.reply("theirs", session) == "1: theirs"
    assert echo.state(session)["turns"] == other.state(session)["turns"] == 1


@pytest.mark.parametrize("field", ["agentId", "agent_id"])
def test_naming_another_agent_in_the_body_reaches_nothing_of_it(stack, echo, field):
    session = new_session()
    stack.agent("other").chat("x", session, **{field: "echo"})
    assert not echo.exists(session)


def test_interactions_by_id(echo, stranger):
    interaction = echo.chat("x").json()["interactionId"]
    for secret in (False, True):
        answer = stranger.interaction(interaction, secret=secret)
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:pumice:problem:unknown-interaction")
    assert echo.http.get(f"/v1/interactions/{interaction}").status_code == 401


def test_sockets_see_nothing_of_the_same_name(stack, echo):
    session = new_session()
    with stack.agent("other").socket(session) as theirs, echo.socket(session) as mine:
        theirs.next()
        mine.send("secret")
        mine.until("done")
        theirs.send("x")
        theirs.until("done")
    assert "secret" not in str(theirs.seen)


def test_a_socket_creates_nothing(echo, stranger):
    session = new_session()
    with stranger.socket(session) as socket:
        assert socket.closed() == 4401
    assert not echo.exists(session)


def test_cursors_of_another_agent_replay_nothing(stack, echo):
    session = new_session()
    last = echo.events("mine", session)[0].id
    echo.reply("secret", session)
    events = stack.agent("other").events("x", session, last_event_id=last)
    assert [event.data["error"]["status"] for event in events] == [410]


def test_calls_stay_within_the_agent(stack, echo):
    session, caller = new_session(), stack.agent("caller")
    called = caller.reply(f"call {session}", new_session())
    caller.finished(called)
    assert caller.state(session)["heard"]
    assert not echo.exists(session)


def test_a_revoked_key_is_refused(stack, echo):
    key = stack.make_key("echo", "public")
    stack.query("update api_keys set revoked_at = now() where prefix = %s", key[:12])
    assert echo.http.post("/v1/chat", json=chat_body("x"), headers={"x-api-key": key}).status_code == 401


def test_keys_are_stored_hashed(stack):
    stored = str(stack.query("select * from api_keys"))
    assert not any(key in stored for pair in stack.keys.values() for key in pair)
