"""Redis away: requests are still accepted and answered, only slower; sockets go on when it is back."""

from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest

from tests.support.client import new_session
from tests.support.gates import Gate
from tests.support.sockets import is_question
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def echo(outage):
    return outage.stack.agent("echo")


@pytest.fixture(scope="module")
def early(echo):
    """A socket that was open before Redis went away."""
    with echo.socket(new_session()) as socket:
        assert exchange(socket) == ["accepted", "message", "done"]
        yield socket


@pytest.fixture(scope="module")
def last_seen(echo, early):
    """The cursor of a client that left before Redis went away."""
    return early.seen[-1]["eventId"]


@pytest.fixture(scope="class")
def away(outage, last_seen):
    with outage.redis.away():
        yield


def exchange(socket, frame="hello"):
    """Send a frame; the types of the frames that came of it."""
    socket.send(frame)
    accepted = socket.until("accepted")
    wait = socket.until_end_of(accepted["interactionId"])
    return [one["type"] for one in socket.seen if one.get("interactionId") == wait["interactionId"]]


@pytest.mark.usefixtures("away")
class TestAway:
    def test_requests_are_accepted_and_answered(self, outage, echo):
        session, selected = new_session(), outage.stack.agent("selected")
        assert [echo.reply(text, session) for text in "ab"] == ["1: a", "3: b"]
        calls = {
            "hook": lambda: selected.hook("by-query", params={"session": session}).json()["calls"],
            "failure": lambda: outage.stack.agent("faulty").chat("raise").status_code,
            "stream": lambda: [event.type for event in echo.events("c", session)],
            "failed stream": lambda: [event.type for event in outage.stack.agent("faulty").events("raise")],
            "redis": lambda: echo.http.get("/readyz").json()["redis"],
        }
        with ThreadPoolExecutor(len(calls)) as pool:
            results = dict(zip(calls, pool.map(lambda call: call(), calls.values()), strict=True))
        assert results == {
            "hook": 1,
            "failure": 500,
            "stream": ["session", "accepted", "message", "done"],
            "failed stream": ["session", "accepted", "error"],
            "redis": "away",
        }

    def test_async_turns_run_too(self, outage, tmp_path):
        gate, streamer = Gate(tmp_path), outage.stack.agent("async-streamer")
        with ThreadPoolExecutor(1) as pool:
            reply = pool.submit(streamer.reply, str(gate))
            gate.open()
            assert reply.result() == "one two"

    def test_calls_between_sessions_run_too(self, outage):
        caller, other = outage.stack.agent("caller"), new_session()
        caller.finished(caller.reply(f"call {other}"))
        assert len(caller.state(other)["heard"]) == 1

    def test_an_open_socket_is_answered(self, early):
        assert exchange(early) == ["accepted", "message", "done"]
        assert exchange(early, {"type": "fail"}) == ["accepted", "error"]

    def test_a_new_socket_is_answered(self, echo):
        with echo.socket() as socket:
            assert exchange(socket) == ["accepted", "message", "done"]

    def test_a_cursor_is_told_to_be_unusable(self, echo, early, last_seen):
        with echo.socket(early.seen[0]["sessionId"], lastEventId=last_seen) as socket:
            assert socket.until("error")["error"]["type"] == "urn:pumice:problem:unusable-cursor"


def test_sockets_go_on_when_redis_is_back(outage, echo, early):
    session = early.seen[0]["sessionId"]
    with outage.redis.away(), echo.socket(session) as during:
        assert exchange(during) == ["accepted", "message", "done"]
        outage.redis.on()
        wait_until(lambda: echo.http.get("/readyz").json()["redis"] == "live", 20, "the front's subscription")
        for socket in (during, early):
            assert exchange(socket) == ["accepted", "message", "done"]
        said = echo.chat("from elsewhere", session).json()["interactionId"]
        for socket in (during, early):
            assert socket.until_end_of(said)["status"] == "done"
            ends = [one for one in socket.seen if one["type"] in {"message", "done"} and not is_question(one)]
            kinds = [(one["interactionId"], one["type"]) for one in ends]
            assert len(set(kinds)) == len(kinds)
    wait_until(lambda: answered_soon(echo), 30, "a worker that takes wakes again")


def answered_soon(client):
    started = monotonic()
    client.reply("x")
    return monotonic() - started < 0.5
