"""What is open ends when what allowed it does: a revoked key, an expired token. And in which ways they may come."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.client import AgentClient, new_session
from tests.support.control import session_token
from tests.support.sockets import SocketClient
from tests.support.sse import read_events


@pytest.fixture
def guarded(control):
    return control.agent("guarded")


@pytest.fixture
def leaver(control):
    """A client whose key is revoked by `revoke`."""
    client = AgentClient(control.url, "plain", control.make_key("plain", "public"), control.keys["plain"][1])
    yield client
    client.http.close()


def revoke(control, client):
    control.query("update api_keys set revoked_at = now() where prefix = %s", client.public_key[:12])


def soon(**claims):
    return session_token(claims.pop("session"), exp=datetime.now(UTC) + timedelta(seconds=3), **claims)


def events_path(client, session):
    return f"/v1/agents/{client.id}/sessions/{session}/events"


def last_event(client, session, headers):
    with client.http.stream("GET", events_path(client, session), headers=headers) as answer:
        assert answer.status_code == 200
        return list(read_events(answer.iter_lines()))[-1]


def test_a_socket_of_a_revoked_key_is_closed(control, leaver):
    other = control.agent("plain")
    with leaver.socket(new_session()) as socket, other.socket(new_session()) as stays:
        socket.next()
        stays.next()
        revoke(control, leaver)
        assert socket.closed() == 4401
        assert socket.seen[-1]["error"]["type"] == "urn:pumice:problem:unauthorized"
        stays.send("still here")
        assert stays.until("message")["message"]["content"] == "1: still here"


def test_a_stream_of_a_revoked_key_ends(control, leaver):
    session = new_session()
    leaver.reply("x", session)
    with leaver.http.stream("GET", events_path(leaver, session), headers=leaver.public) as answer:
        events = read_events(answer.iter_lines())
        assert next(events).type == "session"
        revoke(control, leaver)
        assert [event.data["error"]["status"] for event in events] == [401]


def test_a_socket_whose_token_expires_is_closed(guarded):
    session = new_session()
    with guarded.socket(session, sessionToken=soon(session=session)) as socket:
        assert socket.next()["type"] == "session"
        assert socket.closed() == 4401


def test_a_stream_whose_token_expires_ends(guarded):
    session = new_session()
    guarded.chat("x", session, headers={"x-session-token": session_token(session)})
    last = last_event(guarded, session, {**guarded.public, "x-session-token": soon(session=session)})
    assert (last.type, last.data["error"]["status"]) == ("error", 401)


def test_tokens_of_a_page(guarded):
    session = new_session()
    token = {"x-session-token": session_token(session)}
    guarded.chat("hello", session, headers=token)
    path = f"/v1/agents/guarded/sessions/{session}"
    for wrong, status in (({}, 401), ({"x-session-token": session_token(new_session())}, 403)):
        for method, end in (("GET", "messages"), ("GET", "events"), ("POST", "stop")):
            answer = guarded.http.request(method, f"{path}/{end}", headers={**guarded.public, **wrong})
            assert answer.status_code == status
    shown = guarded.http.get(f"{path}/messages", headers={**guarded.public, **token}).json()["messages"]
    assert [one["content"] for one in shown] == ["hello", "1: hello"]
    assert guarded.post(f"{path}/stop", headers=token).json() == {"cancelled": []}


def test_messages_need_a_token_whatever_the_agent_says(control):
    plain, session = control.agent("plain"), new_session()
    plain.reply("hello", session)
    path = f"/v1/agents/plain/sessions/{session}/messages"
    assert plain.http.get(path, headers=plain.public).status_code == 401
    token = {"x-session-token": session_token(session, "plain")}
    assert len(plain.http.get(path, headers={**plain.public, **token}).json()["messages"]) == 2
    assert len(plain.http.get(path, headers=plain.secret).json()["messages"]) == 2


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"Authorization": "Bearer {key}", "x-session-token": "{token}"}, ""),
        ({"x-api-key": "{key}"}, "?sessionToken={token}"),
        ({"Sec-WebSocket-Protocol": "pumice, api-key.{key}, session-token.{token}"}, ""),
    ],
    ids=["headers", "query", "subprotocols"],
)
def test_in_which_ways_a_socket_takes_them(guarded, headers, query):
    session = new_session()
    given = {"key": guarded.public_key, "token": session_token(session)}
    sent = {name: value.format(**given) for name, value in headers.items()}
    address = guarded.url.replace("http", "ws", 1) + "/v1" + query.format(**given)
    with SocketClient(address, sent) as socket:
        assert socket.next()["sessionId"] == session
