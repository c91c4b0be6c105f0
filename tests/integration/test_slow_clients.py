"""Clients that do not read what is sent to them are cut off, and hold up nobody."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

from tests.support.client import new_session
from tests.support.databases import database
from tests.support.sse import SseEvent
from tests.support.stack import running_stack
from tests.support.stuck_client import StuckClient, close_code
from tests.support.waiting import wait_until

SETTINGS = {"CLIENT_BACKLOG": "1000000", "FRONT_BACKLOG": "3000000", "WRITE_TIMEOUT": "2", "EVENT_LIMIT": "50000"}
REDIS_DATABASE = 3


@pytest.fixture(scope="module")
def flood(postgres_server, valkey_server, migrated_template):
    with database(postgres_server.url("postgres"), migrated_template) as name:
        environ = {"DATABASE_URL": postgres_server.url(name), "REDIS_URL": valkey_server.url(REDIS_DATABASE)}
        with running_stack(environ | SETTINGS, "flood=tests.support.agents_delivery:Flood") as stack:
            yield stack.agent("flood")


def metric(client, name) -> float:
    found = re.search(rf"^pumice_front_{name} (\S+)$", client.http.get("/metrics").text, re.MULTILINE)
    assert found is not None
    return float(found[1])


@contextmanager
def cut_meanwhile(client, count=1) -> Iterator[None]:
    """At the end, as many clients more have been cut off, and nothing is left of them."""
    before = metric(client, "clients_cut_total")
    yield
    wait_until(lambda: metric(client, "clients_cut_total") >= before + count, 30, "clients that are cut off")
    nothing_is_left(client)


def nothing_is_left(client) -> None:
    wait_until(lambda: metric(client, "streams") == 0, 30, "the end of all streams")
    assert metric(client, "backlog_bytes") == 0


def test_a_stream_that_is_not_read_is_ended_and_holds_nobody_up(flood):
    with cut_meanwhile(flood):
        stuck = StuckClient.streaming(flood, "flood", new_session())
        wait_until(lambda: metric(flood, "streams") == 1, 10, "the stream")
        for _ in range(5):
            assert flood.chat("hi", new_session()).status_code == 200
    assert flood.http.get("/readyz").status_code == 200
    stuck.close()


def test_so_is_one_whose_client_goes_away(flood):
    stuck = StuckClient.streaming(flood, "flood", new_session())
    stuck.read_some()
    stuck.close()
    assert flood.chat("hi", new_session()).status_code == 200
    nothing_is_left(flood)


def test_a_slow_stream_is_told_and_resumes_where_it_was(flood):
    session = new_session()
    before = metric(flood, "clients_cut_total")
    stuck = StuckClient.streaming(flood, "flood", session)
    wait_until(lambda: metric(flood, "clients_cut_total") > before, 20, "the client that is cut off")
    received = stuck.read_all().decode()
    assert '"type":"urn:pumice:problem:slow-reader"' in received[received.rindex("event: error") :]
    seen = received.count("event: delta")
    last = re.findall(r"^id: (.*)$", received, re.MULTILINE)[-1]
    again = read_on(flood, session, last)
    assert seen + sum(event.type == "delta" for event in again) == 20_001
    assert [event.type for event in again[-2:]] == ["message", "done"]
    assert len(flood.interactions(session)) == 1


def read_on(client, session, last) -> list[SseEvent]:
    """The rest of a stream. On a busy machine this reader is slow enough to be cut off itself; then it comes back."""
    found: list[SseEvent] = []
    while not found or found[-1].type != "done":
        with suppress(httpx.RemoteProtocolError), client.stream("flood", session, last_event_id=last) as events:
            for event in events:
                found.append(event)
                last = event.id
    return found


def test_a_socket_that_is_not_read_is_closed_with_1013(flood):
    session = new_session()
    with cut_meanwhile(flood):
        stuck = StuckClient.socket(flood, session)
        wait_until(lambda: flood.exists(session), 10, "the session")
        before = metric(flood, "clients_cut_total")
        flood.chat("flood", session, headers={"Prefer": "respond-async"})
        wait_until(lambda: metric(flood, "clients_cut_total") > before, 20, "the client that is cut off")
        assert close_code(stuck.read_all()) == 1013
    stuck.close()


def test_the_front_is_bounded_whatever_number_of_clients_does_not_read(flood):
    session = new_session()
    with cut_meanwhile(flood, 5):
        stuck = [StuckClient.socket(flood, session) for _ in range(20)]
        wait_until(lambda: metric(flood, "streams") == 20, 10, "their sockets")
        flood.chat("large", session, headers={"Prefer": "respond-async"})
        wait_until(lambda: metric(flood, "clients_cut_total") >= 5, 20, "clients that are cut off")
        assert metric(flood, "backlog_bytes") <= 3_000_000
        assert flood.chat("hi", new_session()).status_code == 200
        for one in stuck:
            one.close()


def test_who_reads_gets_all_of_it_once(flood):
    session = new_session()
    found: list[SseEvent] = []
    last: dict[str, str] = {}
    while not found or found[-1].type != "done":
        found += flood.events("flood", session, **last)
        last = {"last_event_id": found[-1].id}
    assert sum(event.type == "delta" for event in found) == 20_001
