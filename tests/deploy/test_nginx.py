"""nginx in front, with the very directives that docs/deployment.md shows."""

import re
import time

import pytest

from pumice.dev.ports import HOST, any_free
from tests.deploy import servers
from tests.deploy.daemons import running
from tests.deploy.journey import try_everything
from tests.support.processes import ROOT


def shown(front: str, port: int) -> str:
    """The directives of the manual, with this front and port in place of its own."""
    text = (ROOT / "docs" / "deployment.md").read_text()
    found = re.search(r"^```nginx\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert found
    block = found[1]
    assert block.count("listen 80;") == block.count("127.0.0.1:8000") == 1
    return block.replace("listen 80;", f"listen {HOST}:{port};").replace("127.0.0.1:8000", front)


@pytest.fixture
def proxied(deploy, open_folder):
    """A deploy, and the address of the nginx before it."""
    with deploy() as stack:
        port = any_free()
        directives = shown(stack.url.removeprefix("http://"), port)
        with running(servers.nginx(open_folder, directives, port)):
            yield stack, f"http://{HOST}:{port}"


def test_everything_works_through_it(proxied, gates):
    stack, url = proxied
    desk = stack.agent("desk", url)
    try_everything(desk)
    _check_streams_are_not_held_back(desk, gates)
    large = {"session": "large", "note": "x" * 5_000_000}
    assert desk.hook("note", json=large).json()["notes"] == 1
    assert desk.http.get("/v1/agents/desk/sessions/a%2Fb%20c", headers=desk.secret).status_code == 404


def _check_streams_are_not_held_back(desk, gates):
    """The first words come while the handler still stands before a gate."""
    with desk.stream("streamed at slow", "streamed") as events:
        first = next(event for event in events if event.type == "delta")
        assert first.data["content"] == "streamed, "
        gates.open("slow")
        assert [event.type for event in events][-1] == "done"


def test_a_quiet_socket_stays_open(deploy, open_folder):
    """Pings pass, so a socket outlives the time for which nginx waits for a front's next byte."""
    with deploy(PING_INTERVAL="0.5") as stack:
        port = any_free()
        front = stack.url.removeprefix("http://")
        directives = re.sub(r"proxy_read_timeout \w+;", "proxy_read_timeout 2s;", shown(front, port))
        desk = stack.agent("desk", f"http://{HOST}:{port}")
        with running(servers.nginx(open_folder, directives, port)), desk.socket("quiet") as socket:
            end = time.monotonic() + 4
            while time.monotonic() < end:
                socket.opcode(9)
            socket.send("hello")
            assert socket.until("message")["message"]["content"] == "hello, 1 notes"
