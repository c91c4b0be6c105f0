"""Session tokens: the holder of a public key reaches only the session that the author's server signed for."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from tests.support.client import chat_body, new_session
from tests.support.control import ASYNC, TOKEN_SECRET, session_token

LATER = datetime.now(UTC) + timedelta(hours=1)


def claims(session):
    return {"aud": "guarded", "sub": session, "exp": LATER}


def unsigned(session):
    return jwt.encode(claims(session), "", "none")


BAD = [
    pytest.param(lambda session: None, id="missing"),
    pytest.param(lambda session: "", id="empty"),
    pytest.param(lambda session: "x.y.z", id="garbage"),
    pytest.param(lambda session: session_token(session, exp=datetime.now(UTC) - timedelta(seconds=1)), id="expired"),
    pytest.param(lambda session: session_token(session, exp=None), id="for ever"),
    pytest.param(lambda session: session_token(session, nbf=LATER), id="not yet valid"),
    pytest.param(lambda session: session_token(session, aud=None), id="no audience"),
    pytest.param(lambda session: session_token(session, "guarded-too"), id="another agent's"),
    pytest.param(lambda session: session_token(session, sub=None), id="no session"),
    pytest.param(lambda session: session_token(session, sub=7), id="session of another type"),
    pytest.param(lambda session: session_token(session, key="another key of thirty-two letters"), id="another key"),
    pytest.param(lambda session: session_token(session)[:-8] + "AAAAAAAA", id="signature changed"),
    pytest.param(unsigned, id="alg none"),
    pytest.param(lambda session: jwt.encode(claims(session), TOKEN_SECRET, "HS512"), id="another algorithm"),
]


@pytest.fixture
def guarded(control):
    return control.agent("guarded")


def headers(token):
    return {} if token is None else {"x-session-token": token}


@pytest.mark.parametrize("bad", BAD)
def test_without_a_good_token_nothing_is_reached(guarded, bad):
    session = new_session()
    answer = guarded.chat("x", session, headers=headers(bad(session)))
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert not guarded.exists(session)


@pytest.mark.parametrize("bad", BAD)
def test_sockets_neither(guarded, bad):
    session = new_session()
    token = bad(session)
    with guarded.socket(session, **({} if token is None else {"sessionToken": token})) as socket:
        assert socket.closed() == 4401
    assert not guarded.exists(session)


@pytest.mark.parametrize("carry", ["header", "sessionToken", "session_token", "body"])
def test_with_one_its_session_is(guarded, carry):
    session = new_session()
    token = session_token(session)
    given: dict[str, Any] = {
        "header": {"headers": headers(token), "json": chat_body("x", session)},
        "body": {"json": chat_body("x", session, sessionToken=token)},
    }.get(carry, {"params": {carry: token}, "json": chat_body("x", session)})
    assert guarded.post("/v1/chat", **given).json()["message"]["content"] == "1: x"


def test_it_names_the_session_for_who_does_not(guarded):
    session = new_session()
    answer = guarded.post("/v1/agents/guarded/chat", json=chat_body("x"), headers=headers(session_token(session)))
    assert answer.json()["sessionId"] == session
    assert not guarded.sessions(f"/{session}").json()["temporary"]


@pytest.mark.parametrize("naming", ["body", "query", "header"])
def test_another_session_is_forbidden(guarded, naming):
    mine, other = new_session(), new_session()
    request = {
        "body": {"json": chat_body("x", other)},
        "query": {"json": chat_body("x"), "params": {"sessionId": other}},
        "header": {"json": chat_body("x"), "headers": {"x-session-id": other}},
    }[naming]
    request["headers"] = {**request.get("headers", {}), **headers(session_token(mine))}
    assert guarded.post("/v1/chat", **request).status_code == 403
    assert not guarded.exists(other)


def test_a_stream_needs_it_too(guarded):
    session = new_session()
    sent = {**guarded.public, "accept": "text/event-stream"}
    assert guarded.http.post("/v1/chat", json=chat_body("x", session), headers=sent).status_code == 401
    sent |= headers(session_token(new_session()))
    assert guarded.http.post("/v1/chat", json=chat_body("x", session), headers=sent).status_code == 403


def test_a_sockets_session_is_the_tokens(guarded):
    mine, other = new_session(), new_session()
    with guarded.socket(mine, sessionToken=session_token(mine)) as socket:
        socket.send("x")
        assert socket.until("message")["message"]["content"] == "1: x"
    with guarded.socket(sessionToken=session_token(mine)) as socket:
        assert socket.next()["sessionId"] == mine
    with guarded.socket(other, sessionToken=session_token(mine)) as socket:
        assert socket.closed() == 4403
    assert not guarded.exists(other)


def test_interactions_of_other_sessions_are_not_seen(guarded):
    mine, other = new_session(), new_session()
    token = headers(session_token(mine))
    interaction_id = guarded.chat("x", mine, headers=token).json()["interactionId"]
    path = f"/v1/interactions/{interaction_id}"
    answers = [
        guarded.http.get(path, headers=guarded.public | given)
        for given in (token, headers(None), headers(session_token(other)), headers(session_token(mine, "guarded-too")))
    ]
    assert [answer.status_code for answer in answers] == [200, 401, 404, 401]


def test_a_repeat_gets_no_other_sessions_answer(guarded):
    mine, other, key = new_session(), new_session(), new_session()
    theirs = guarded.chat("private", other, headers=headers(session_token(other)) | {"Idempotency-Key": key}).json()
    for more in ({}, ASYNC):
        given = headers(session_token(mine)) | {"Idempotency-Key": key} | more
        answer = guarded.chat("x", mine, headers=given)
        assert answer.json()["sessionId"] == mine
        assert answer.json()["interactionId"] != theirs["interactionId"]
    again = guarded.chat("private", other, headers=headers(session_token(other)) | {"Idempotency-Key": key})
    assert again.json() == theirs


def test_a_secret_key_needs_none(guarded):
    session = new_session()
    answer = guarded.http.post("/v1/chat", json=chat_body("x", session), headers=guarded.secret)
    assert answer.status_code == 200
    assert guarded.interaction(answer.json()["interactionId"], secret=True).status_code == 200
    with guarded.socket(session, api_key=guarded.secret_key) as socket:
        assert socket.next()["sessionId"] == session


def test_agents_that_need_none_take_no_notice(control):
    session = new_session()
    assert control.agent("plain").chat("x", session, headers=headers("garbage")).status_code == 200


def test_without_a_signing_key_the_agent_is_closed(control):
    with control.front(SESSION_TOKEN_SECRET="") as front:
        guarded = control.agent("guarded", front.url)
        session = new_session()
        for token in (session_token(session), unsigned(session)):
            assert guarded.chat("x", session, headers=headers(token)).status_code == 403
        assert not guarded.exists(session)
