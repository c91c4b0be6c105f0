"""Coming back to a session with `lastEventId`."""

import pytest

from tests.support.client import new_session


def contents(socket):
    messages = [frame["message"] for frame in socket.seen if frame["type"] == "message"]
    return [one["content"] for one in messages if one["role"] == "assistant"]


def said(socket, text):
    """Say something, and return the last frame of its answer."""
    socket.send(text)
    return socket.until("done")


def test_what_was_missed_is_replayed_once_then_it_is_live(echo):
    session = new_session()
    with echo.socket(session) as socket:
        last = said(socket, "a")["eventId"]
    echo.reply("missed", session)
    with echo.socket(session, lastEventId=last) as socket:
        said(socket, "b")
        socket.until("done")
        assert contents(socket) == ["3: missed", "5: b"]
        said(socket, "c")
        assert contents(socket) == ["3: missed", "5: b", "7: c"]
        ids = [frame["eventId"] for frame in socket.seen]
        assert len(set(ids)) == len(ids)


def test_nothing_missed_replays_nothing(echo):
    session = new_session()
    with echo.socket(session) as socket:
        last = said(socket, "a")["eventId"]
    with echo.socket(session, lastEventId=last) as socket:
        said(socket, "b")
        assert socket.types() == ["session", "accepted", "message", "done"]


def test_without_a_cursor_nothing_is_replayed(echo):
    session = new_session()
    echo.events("a", session)
    with echo.socket(session) as socket:
        said(socket, "b")
        assert contents(socket) == ["3: b"]


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_a_socket_resumes_from_any_of_its_frames(echo, place):
    session = new_session()
    with echo.socket(session) as socket:
        said(socket, "a")
        seen = socket.seen
    with echo.socket(session, lastEventId=seen[place]["eventId"]) as socket:
        said(socket, "b") if place == 3 else (said(socket, "b"), socket.until("done"))
    rest = [frame["type"] for frame in seen[place + 1 :] if frame["type"] != "accepted"]
    got = [kind for kind in socket.types() if kind not in {"session", "accepted"}]
    assert got == [*rest, "message", "done"]


def test_a_socket_that_is_lost_while_it_catches_up_can_do_so_again(echo):
    session = new_session()
    with echo.socket(session) as socket:
        last = said(socket, "a")["eventId"]
    echo.reply("missed", session)
    with echo.socket(session, lastEventId=last) as socket:
        opened = socket.next()
    with echo.socket(session, lastEventId=opened["eventId"]) as socket:
        assert socket.until("message")["message"]["content"] == "3: missed"


def test_streams_and_sockets_share_their_cursors(echo):
    session = new_session()
    last = echo.events("a", session)[-1].id
    echo.reply("missed", session)
    with echo.socket(session, lastEventId=last) as socket:
        assert socket.until("message")["message"]["content"] == "3: missed"


@pytest.mark.parametrize("cursor", ["nonsense", "1-1", "99999999999999-0", "", '1-1"x', "²-1"])
def test_an_unusable_cursor_is_told_and_replays_nothing(echo, cursor):
    session = new_session()
    echo.events("before", session)
    with echo.socket(session, lastEventId=cursor) as socket:
        said(socket, "now")
        told = [frame["error"]["type"] for frame in socket.seen if frame["type"] == "error"]
        assert told == (["urn:pumice:problem:unusable-cursor"] if cursor else [])
        assert contents(socket) == ["3: now"]


def test_the_cursor_of_another_session_is_unusable(echo):
    other = echo.events("elsewhere")[-1].id
    with echo.socket(new_session(), lastEventId=other) as socket:
        assert socket.until("error")["error"]["status"] == 410


def test_replay_and_live_meet_without_gap_or_repeat(stack, echo):
    session = new_session()
    with echo.socket(session) as socket:
        last = said(socket, "0")["eventId"]
    for number in range(1, 30):
        echo.chat(str(number), session, headers={"Prefer": "respond-async"})
    with echo.socket(session, lastEventId=last) as socket:
        while len(contents(socket)) < 29:
            socket.next()
    assert contents(socket) == [f"{2 * number + 1}: {number}" for number in range(1, 30)]
