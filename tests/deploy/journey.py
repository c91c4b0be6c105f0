"""What a deploy must do for its clients, tried from outside: a chat, a stream, a hook, a socket, a job's ticks."""

from typing import Any
from urllib.parse import quote

from tests.support.client import AgentClient, new_session
from tests.support.waiting import wait_until


def try_everything(desk: AgentClient) -> None:
    """Try each way in on the deploy that `desk` talks to, and each tick of a job."""
    session = f"{new_session()}/ä %2F"
    assert desk.reply("one", session) == "one, 1 notes"
    try_stream(desk, session)
    assert desk.hook("note", json={"session": session, "note": "three"}).json()["notes"] == 3
    try_socket(desk, session)
    assert desk.state(session)["notes"] == ["one", "two", "three", "four"]
    try_ticks(desk, session)


def try_stream(desk: AgentClient, session: str) -> None:
    events = desk.events("two", session)
    assert [event.data["content"] for event in events if event.type == "delta"] == ["two, ", "2 notes"]
    assert events[-1].type == "done"


def try_socket(desk: AgentClient, session: str) -> None:
    with desk.socket(session) as socket:
        assert socket.until("session")["sessionId"] == session
        socket.send({"role": "user", "content": "four"})
        assert socket.until("message")["message"]["content"] == "four, 4 notes"
        socket.send({"any": "frame"})
        assert socket.until("data")["data"] == {"received": {"any": "frame"}}


def try_ticks(desk: AgentClient, session: str) -> None:
    """Two ticks or more come, and none of them twice."""
    wait_until(lambda: len(ticks(desk, session)) >= 2, 40, "two ticks of a job")
    assert len(ticks(desk, session)) == len(set(ticks(desk, session)))


def ticks(desk: AgentClient, session: str) -> list[Any]:
    found: list[Any] = desk.sessions(f"/{quote(session, safe='')}").json()["state"]["ticks"]
    return found
