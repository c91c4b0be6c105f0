"""Plain heads mean what gunicorn's own parser says that they mean, and nothing else is plain."""

from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader
from hypothesis import example, given
from hypothesis import strategies as st

from pumice.web import gunicorn_heads
from pumice.web.gunicorn_heads import read_plain_head
from pumice.web.gunicorn_parser import BoundedRequest, QuickRequest

PEER = ("127.0.0.1", 4000)
FIELDS = ("method", "uri", "path", "query", "fragment", "version", "headers", "scheme", "_expected_100_continue")
PLAIN = (
    b"POST /v1/agents/a/hooks/b?c=%20d&e HTTP/1.1\r\nHost: example.com\r\nX-Forwarded-Proto: https\r\n"
    b"content-type: application/json\r\nX-Sender:  two words \t\r\nContent-Length: 2\r\n\r\n{}"
)


def config() -> Config:
    made = Config()
    made.set("forwarder_headers", "")
    made.set("limit_request_line", 200)
    made.set("limit_request_fields", 8)
    made.set("limit_request_field_size", 100)
    return made


CONFIG = config()


def parsed(kind: type[Request], data: bytes) -> dict[str, Any] | str:
    """What a parser makes of some bytes: the fields, the body and what is left, or the error's name."""
    unreader = IterUnreader([data])
    try:
        request = kind(CONFIG, unreader, PEER, 1)
        body = request.body.read(1_000)  # type: ignore[union-attr]
    except Exception as error:
        return type(error).__name__
    return {name: getattr(request, name) for name in FIELDS} | {"body": body, "left": unreader.read()}


def check(data: bytes) -> None:
    assert parsed(QuickRequest, data) == parsed(BoundedRequest, data)


def test_plain_heads_are_read_by_httptools():
    assert read_plain_head(PLAIN, Request(CONFIG, IterUnreader([PLAIN]), PEER, 1)) is not None
    check(PLAIN)


USUAL = ["Host", "Content-Type", "Content-Length", "X-A", "x-forwarded-proto", "X-Forwarded-SSL", "Connection"]
UNUSUAL = ["Transfer-Encoding", "Upgrade", "Expect", "X_Under", "Bad Name", "X-B ", " X-C", "", "X-Ü", "Content_Length"]
NAMES = st.sampled_from([*USUAL, *UNUSUAL])
VALUES = st.one_of(
    st.sampled_from(["1", "0", "2", "+1", "1, 1", "chunked", "100-continue", "https", "on", "close", "keep-alive"]),
    st.sampled_from(
        ["websocket", "a\r\n b", "a\r\n\tb", "a\x00b", "a\x0bb", "a\x7fb", "\xe9", "  spaced\t ", "x" * 120]
    ),
    st.text(st.characters(max_codepoint=255), max_size=12),
)
LINES = st.builds(
    lambda name, colon, value: f"{name}{colon}{value}", NAMES, st.sampled_from([":", ": ", " :", "", "\t:"]), VALUES
)
TARGETS = st.one_of(
    st.sampled_from(
        ["/", "/a?b", "//a", "/a#b", "*", "http://x/y", "x:80", "", "/\xe9", "/a b", "/%ff", "/" + "a" * 300]
    ),
    st.text(st.characters(max_codepoint=255), max_size=8).map("/".__add__),
)
METHODS = st.sampled_from(
    ["GET", "POST", "PUT", "HEAD", "OPTIONS", "get", "CONNECT", "PRI", "M-SEARCH", "", "GE", "SOURCE"]
)
VERSIONS = st.sampled_from(
    ["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "http/1.1", "HTTP/1", "ICE/1.0"]
)
ENDS = st.sampled_from(["\r\n", "\r\n", "\r\n", "\r\n", "\n", "\r", "\r\r\n"])


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    lines = [f"{draw(METHODS)} {draw(TARGETS)} {draw(VERSIONS)}", *draw(st.lists(LINES, max_size=10)), ""]
    text = draw(st.sampled_from(["", "", "", "\r\n", "\n", " "])) + "".join(line + draw(ENDS) for line in lines)
    text += draw(st.sampled_from(["", "{}", "0\r\n\r\n", "1\r\na\r\n0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"]))
    return text.encode("latin-1")


@given(messages())
@example(b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n")
@example(b"\nGET / HTTP/1.1\r\n\r\n")
@example(b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na")
@example(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n")
def test_what_is_plain_means_what_gunicorn_says(data):
    check(data)


@given(st.data())
def test_one_changed_byte_never_means_something_else(data):
    place = data.draw(st.integers(0, len(PLAIN) - 1))
    check(PLAIN[:place] + bytes([data.draw(st.integers(0, 255))]) + PLAIN[place + 1 :])


@given(st.integers(0, len(PLAIN)))
def test_what_came_in_part_is_left_to_gunicorn(place):
    unreader = IterUnreader([PLAIN[:place], PLAIN[place:]] if place else [PLAIN])
    assert QuickRequest(CONFIG, unreader, PEER, 1).body.read(10) == b"{}"


def test_without_httptools_gunicorn_reads_everything(monkeypatch):
    monkeypatch.setattr(gunicorn_heads, "httptools", None)
    request = QuickRequest(CONFIG, IterUnreader([PLAIN]), PEER, 1)
    assert not request.plain
    check(PLAIN)


@pytest.mark.parametrize("line", [b"Expect: 100-continue", b"Upgrade: websocket", b"X_Under: 1", b"Host: twice"])
def test_what_parsers_differ_in_is_left_to_gunicorn(line):
    data = PLAIN.replace(b"X-Sender:  two words", line)
    assert read_plain_head(data, Request(CONFIG, IterUnreader([PLAIN]), PEER, 1)) is None
    check(data)
