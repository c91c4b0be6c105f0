"""A connection is read against the clock."""

import socket

import pytest
from gunicorn.http.errors import LimitRequestHeaders

from pumice.errors import RequestTimeout, TooLarge
from pumice.web import gunicorn_reading
from pumice.web.gunicorn_reading import HEAD_LIMIT, PacedUnreader
from pumice.web.http.body_budget import BodyBudget


@pytest.fixture
def ends():
    """A client's end of a connection and what reads the other."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)
        yield ours, PacedUnreader(theirs, BodyBudget(1_000_000), 1_000, 10.0)


def test_a_head_must_come_in_time(ends, monkeypatch):
    monkeypatch.setattr(gunicorn_reading, "HEAD_SECONDS", 0.05)
    client, unreader = ends
    client.sendall(b"GET")
    assert unreader.chunk() == b"GET"
    with pytest.raises(RequestTimeout):
        unreader.chunk()


def test_a_head_must_come_in_time_also_when_it_never_pauses(ends, monkeypatch):
    monkeypatch.setattr(gunicorn_reading, "HEAD_SECONDS", 0.0)
    client, unreader = ends
    client.sendall(b"x" * 10_000)
    unreader.chunk()
    with pytest.raises(RequestTimeout):
        unreader.chunk()


def test_a_head_is_bounded(ends):
    client, unreader = ends

    def read_on() -> None:
        for _ in range(HEAD_LIMIT // 1_000 + 2):
            client.sendall(b"x" * 1_000)
            unreader.chunk()

    with pytest.raises(LimitRequestHeaders):
        read_on()


def test_a_body_must_keep_up_a_rate(ends, monkeypatch):
    monkeypatch.setattr(gunicorn_reading, "GRACE_SECONDS", 0.05)
    client, unreader = ends
    unreader.begin_body("1.1.1.1")
    client.sendall(b"x")
    assert unreader.chunk() == b"x"
    with pytest.raises(RequestTimeout):
        unreader.chunk()


def test_what_a_body_may_take_on_the_wire_is_bounded(ends):
    client, unreader = ends
    unreader.begin_body("1.1.1.1")

    def read_on() -> None:
        for _ in range(100):
            client.sendall(b"x" * 1_000)
            unreader.chunk()

    with pytest.raises(TooLarge):
        read_on()


def test_the_next_request_begins_anew(ends):
    """Neither its head nor the budget remembers those before it."""
    client, unreader = ends
    for _ in range(600):
        client.sendall(b"x" * 1_000)
        assert len(unreader.chunk()) == 1_000
        unreader.begin_body("1.1.1.1")
        client.sendall(b"x" * 1_000)
        assert len(unreader.chunk()) == 1_000
        unreader.end_body()
