"""NEW_SESSIONS_PER_MINUTE: how many sessions an address may begin, by whatever way."""

import pytest

from tests.support.client import new_session
from tests.support.sockets import SocketClosedError

LIMIT = 5


@pytest.fixture(scope="module")
def fronts(stack):
    """Two fronts with the limit, behind one proxy that is trusted."""
    settings = {"NEW_SESSIONS_PER_MINUTE": str(LIMIT), "TRUSTED_PROXIES": "1"}
    with stack.front(**settings) as first, stack.front(**settings) as second:
        yield first.url, second.url


def begun(stack, url, agent, address, session=None):
    """The status of a chat that came from this address."""
    return stack.agent(agent, url).chat("x", session, headers={"x-forwarded-for": address})


def over_minute(ask):
    """The statuses of one more than the limit allows; all of it again when a minute ended in between."""
    for attempt in range(2):
        found = [ask(number, attempt) for number in range(LIMIT + 1)]
        if found[-1] != found[0]:
            return found
    return found


@pytest.mark.parametrize("named", [True, False])
def test_chats_begin_so_many_sessions_over_all_fronts(stack, fronts, named):
    used = []

    def ask(number, attempt):
        used.append(f"192.0.2.{10 * named + attempt}")
        return begun(stack, fronts[number % 2], "echo", used[-1], new_session() if named else None).status_code

    assert over_minute(ask) == [200] * LIMIT + [429]
    refused = begun(stack, fronts[0], "echo", f"9.9.9.9, {used[-1]}", new_session())
    assert (refused.status_code, 1 <= int(refused.headers["retry-after"]) <= 60) == (429, True)
    assert begun(stack, fronts[0], "other", used[-1], new_session()).status_code == 200
    assert begun(stack, fronts[0], "echo", "192.0.2.99", new_session()).status_code == 200


def test_a_session_that_is_there_is_not_counted(stack, fronts):
    session = new_session()
    assert stack.agent("echo").chat("x", session).status_code == 200
    statuses = [
        begun(stack, fronts[number % 2], "echo", "192.0.2.3", session).status_code for number in range(LIMIT + 3)
    ]
    assert statuses == [200] * (LIMIT + 3)


def test_hooks_begin_so_many_sessions(stack, fronts):
    client = stack.agent("receiver", fronts[0])

    def ask(_number, attempt):
        headers = {"x-forwarded-for": f"192.0.2.{30 + attempt}"}
        return client.hook("inspect", params={"session": new_session()}, headers=headers).status_code

    assert over_minute(ask) == [200] * LIMIT + [429]


def test_sockets_begin_so_many_sessions(stack, fronts):
    def ask(_number, attempt):  # no proxy says whose they are: the peer counts
        client = stack.agent(("streamer", "async-streamer")[attempt], fronts[0])
        with client.socket(new_session()) as socket:
            frame = socket.next()
            if frame["type"] == "session":
                return "session"
            with pytest.raises(SocketClosedError) as caught:
                socket.next()
            return frame["error"]["type"], caught.value.code

    assert over_minute(ask) == ["session"] * LIMIT + [("urn:pumice:problem:too-many-requests", 1013)]
